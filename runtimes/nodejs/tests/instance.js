'use strict';
// The platform's end of the socket, for tests: starts a bootstrap as its own process and speaks PROTOCOL.md with it.
const { spawn } = require('child_process');
const { randomBytes } = require('crypto');
const path = require('path');

const BOOTSTRAP = path.join(__dirname, '..', 'bootstrap.js');
const LOAD = 1;
const INITIALIZE = 2;
const INVOKE = 3;
const INVOKE_AS = 5;
const STOP = 4;
const HELLO = 65;
const LOADED = 66;
const INITIALIZED = 67;
const RESULT = 68;
const FAILED = 69;
const LOG = 70;
const STOPPED = 71;

/** What a call came to: its last frame, and its log as one text. */
class Answer {
  constructor(frame, log, requestID) {
    Object.assign(this, frame, { log, requestID });
  }

  get text() {
    return this.payload.toString();
  }

  get json() {
    return JSON.parse(this.text);
  }
}

/** One bootstrap process. */
class Instance {
  constructor(node) {
    // Node makes such a pipe a Unix stream socket, which is what the platform gives.
    this.process = spawn(node, [BOOTSTRAP], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    this.socket = this.process.stdio[3];
    this.raw = '';
    this.process.stdout.on('data', (data) => { this.raw += data; });
    this.process.stderr.on('data', (data) => { this.raw += data; });
    this.exit = new Promise((resolve) => this.process.on('close', (code, signal) => resolve(code === null ? signal : code)));
    this.frames = [];
    this.waiting = [];
    this.logs = new Map();
    this.calls = 0;
    this.closed = false;
    this.rest = Buffer.alloc(0);
    this.socket.on('data', (data) => this.received(data));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  received(data) {
    this.rest = Buffer.concat([this.rest, data]);
    while (this.rest.length >= 12 && this.rest.length >= 12 + this.rest.readUInt32LE(0)) {
      const end = 12 + this.rest.readUInt32LE(0);
      this.frames.push({
        call: this.rest.readUInt32LE(4),
        code: this.rest.readUInt16LE(8),
        kind: this.rest[10],
        form: this.rest[11],
        payload: this.rest.slice(12, end),
      });
      this.rest = this.rest.slice(end);
    }
    this.wake();
  }

  wake() {
    while (this.waiting.length > 0 && (this.frames.length > 0 || this.closed)) this.waiting.shift()(this.frames.shift());
  }

  /** The next frame, undefined once the bootstrap has closed its end. */
  receive() {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.wake();
    });
  }

  /** The next frame that is not LOG; those are gathered per call. */
  async answer(requestID) {
    for (;;) {
      const frame = await this.receive();
      if (frame === undefined || frame.kind !== LOG) {
        return frame && new Answer(frame, this.logs.get(frame.call) || '', requestID);
      }
      this.logs.set(frame.call, (this.logs.get(frame.call) || '') + frame.payload);
    }
  }

  frame(kind, call, payload) {
    const bytes = Buffer.from(payload);
    const head = Buffer.alloc(12);
    head.writeUInt32LE(bytes.length, 0);
    head.writeUInt32LE(call, 4);
    head[10] = kind;
    return Buffer.concat([head, bytes]);
  }

  send(kind, call = 0, payload = '') {
    this.socket.write(this.frame(kind, call, payload));
  }

  async load(codeRoot, changes) {
    this.hello = await this.answer();
    this.send(LOAD, 0, JSON.stringify(loadOrder(codeRoot, changes)));
    return this.answer();
  }

  initialize(call = 1) {
    const requestID = newID();
    this.send(INITIALIZE, call, requestID);
    return this.answer(requestID);
  }

  /** Sends INVOKE with the text of an event; gives the request id. */
  begin(text) {
    const requestID = newID();
    this.calls += 1;
    this.send(INVOKE, this.calls, requestID + text);
    return requestID;
  }

  call(event) {
    return this.answer(this.begin(JSON.stringify(event)));
  }

  callAs(alias, event) {
    const requestID = newID();
    this.calls += 1;
    this.send(INVOKE_AS, this.calls, requestID + String.fromCharCode(alias.length) + alias + JSON.stringify(event));
    return this.answer(requestID);
  }

  stop() {
    this.send(STOP);
    return this.answer();
  }

  kill() {
    this.process.kill('SIGKILL');
    return this.exit;
  }
}

function newID() {
  return randomBytes(16).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function loadOrder(codeRoot, changes) {
  const order = {
    runtime: 'Node.js18.15', handler: 'index.handler', initializer: null, pre_stop: null, timeout_ms: 3000,
    initializer_timeout_ms: 3000, concurrent_num: 1, memory_mb: 128, cpu_millicores: 300, max_result_bytes: 6291456,
    project_id: '0a1b', package: 'default', function: 'hello', version: 'latest', alias: '', user_data: {},
    code_root: codeRoot, env: { RUNTIME_CODE_ROOT: codeRoot },
  };
  return Object.assign(order, changes);
}

module.exports = {
  Instance, LOAD, INITIALIZE, INVOKE, STOP, HELLO, LOADED, INITIALIZED, RESULT, FAILED, LOG, STOPPED,
};
