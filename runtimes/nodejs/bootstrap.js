'use strict';
// Loads one Node.js function and answers its calls: the inside end of crates/instance/PROTOCOL.md.
//
// A call costs one read and one write: frames leave by writeSync from one buffer that stays, since going through a
// stream costs several times the system call, and lines printed just before a crash must not be lost with it.
// What is used on the way is taken from its place now, before user code can replace it.
//
// Runs on Node.js 12 and everything newer. Start it as `node bootstrap.js` with the socket on descriptor 3, which Node
// itself marks close-on-exec at its start, as all descriptors it inherits.
const { realpathSync, statSync, readFileSync, writeSync } = require('fs');

const SOCKET = 3;
const PROTOCOL = 1;
const LOAD = 1;
const INITIALIZE = 2;
const INVOKE = 3;
const STOP = 4;
const INVOKE_AS = 5;
const HELLO = 65;
const LOADED = 66;
const INITIALIZED = 67;
const RESULT = 68;
const FAILED = 69;
const LOG = 70;
const STOPPED = 71;
const NOTHING = 0;
const TEXT = 1;
const JSON_TEXT = 2;
const BYTES = 3;
/** Form of a FAILED after which the process ends. */
const LEAVING = 1;

const ENTRY = 'function entry exception, error: ';
const INVOCATION = 'function invocation exception, error: ';
const INITIALIZATION = 'function initialization exception, error: ';
const INVALID = 'function result is invalid, error: ';
const TOO_LARGE = 'the return value of the function exceeds the maximum allowed limit';

const HEADER = 12;
const REQUEST_ID = 36;
const BUFFER = 65536;
const LINE = 90 * 1024;
const LOG_FRAME = 1024 * 1024;
const MESSAGE = 64 * 1024;
const HERE = __filename;

const { parse, stringify } = JSON;
const { isArray } = Array;
const now = Date.now;
const uptime = process.uptime.bind(process);
const leaveAtOnce = process.reallyExit.bind(process);
const { wait } = Atomics;
const later = setTimeout;
const soon = setImmediate;

// --- the socket ------------------------------------------------------------------------------------------------------

const outgoing = Buffer.allocUnsafeSlow(BUFFER);

function head(bytes, length, call, kind, form, code) {
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(call, 4);
  bytes.writeUInt16LE(code, 8);
  bytes[10] = kind;
  bytes[11] = form;
}

function send(kind, call, text, form = 0, code = 0) {
  if (text.length * 3 + HEADER <= BUFFER) {
    const length = outgoing.write(text, HEADER, 'utf8');
    head(outgoing, length, call, kind, form, code);
    put(outgoing, HEADER + length);
  } else {
    sendBytes(kind, call, Buffer.from(text), form, code);
  }
}

function sendBytes(kind, call, payload, form = 0, code = 0) {
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  head(frame, payload.length, call, kind, form, code);
  frame.set(payload, HEADER);
  put(frame, frame.length);
}

/** Nobody ever wakes who waits for it. */
const never = new Int32Array(new SharedArrayBuffer(4));

/** Frames, the first of them perhaps begun, that the socket did not take yet. All that is sent goes behind them. */
const unsent = [];
let isPlanned = false;

/**
 * Writes at once what the socket takes, and the rest when it takes more. Lines wait until all is taken that is before them and they
 * themselves, as they would in a pipe: a loop that prints and prints would fill the memory, and all would be lost with it. A stream
 * would not do for the rest: it writes only when user code lets go, and for that such a loop never does.
 */
function put(bytes, length) {
  const waits = bytes[10] === LOG;
  const sent = drain(waits) ? write(bytes, 0, length, waits) : 0;
  if (sent === length) return;
  // Copied, because the next frame is built in the same place.
  unsent.push(Buffer.from(bytes.subarray(sent, length)));
  plan(later);
}

/** How far it came. */
function write(bytes, sent, length, waits) {
  while (sent < length) {
    try {
      sent += writeSync(SOCKET, bytes, sent, length - sent);
    } catch (error) {
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') leaveAtOnce(1);
      if (error.code !== 'EAGAIN') throw error;
      if (!waits) break;
      wait(never, 0, 0, 1);
    }
  }
  return sent;
}

/** Whether nothing is left. */
function drain(waits) {
  while (unsent.length > 0) {
    const first = unsent[0];
    const sent = write(first, 0, first.length, waits);
    if (sent < first.length) {
      if (sent > 0) unsent[0] = first.subarray(sent);
      return false;
    }
    unsent.shift();
  }
  return true;
}

function plan(when) {
  if (isPlanned) return;
  isPlanned = true;
  when(drainAgain, 1);
}

/** While the other end reads, there is no pause. */
function drainAgain() {
  const first = unsent[0];
  isPlanned = false;
  if (!drain(false)) plan(unsent[0] === first ? later : soon);
}

/** Reads into one buffer that stays, and hands each whole frame to `deal(bytes, start, length, call, kind)`. */
function listen(deal) {
  let whole = null;
  let got = 0;
  let piece = null;

  function begin(bytes, at, end) {
    const length = bytes.readUInt32LE(at);
    if (end - at >= HEADER + length) {
      deal(bytes, at + HEADER, length, bytes.readUInt32LE(at + 4), bytes[at + 10]);
      return at + HEADER + length;
    }
    whole = Buffer.allocUnsafeSlow(HEADER + length);
    got = bytes.copy(whole, 0, at, end);
    return end;
  }

  function go(bytes, at, end) {
    const taken = bytes.copy(whole, got, at, end);
    got += taken;
    if (got === whole.length) {
      const frame = whole;
      whole = null;
      begin(frame, 0, frame.length);
    }
    return at + taken;
  }

  function received(end, bytes) {
    if (piece !== null) {
      bytes = Buffer.concat([piece, bytes.subarray(0, end)]);
      end = bytes.length;
      piece = null;
    }
    let at = 0;
    while (at < end) {
      if (whole !== null) {
        at = go(bytes, at, end);
      } else if (end - at < HEADER) {
        piece = Buffer.from(bytes.subarray(at, end));
        at = end;
      } else {
        at = begin(bytes, at, end);
      }
    }
    return true;
  }

  const { Socket } = require('net');
  const onread = { buffer: Buffer.allocUnsafeSlow(BUFFER), callback: received };
  const socket = new Socket({ fd: SOCKET, readable: true, writable: true, onread });
  socket.on('error', () => leaveAtOnce(1));
  socket.on('end', () => leaveAtOnce(0));
  socket.on('close', () => leaveAtOnce(0));
  socket.resume();
}

// --- the log ---------------------------------------------------------------------------------------------------------

/** Calls that have no answer yet: number to Context. */
const active = new Map();
/** Tells calls apart where several run at once; it costs every promise something, so only there. */
let storage = null;
/** Lines without their end, by call and descriptor. */
const openLines = new Map();

/** The call that what happens now belongs to, or null. */
function current() {
  if (storage !== null) {
    const context = storage.getStore();
    if (context !== undefined && active.get(context[NUMBER]) === context) return context;
  }
  return active.size === 1 ? active.values().next().value : null;
}

function printed(descriptor, text) {
  const context = current();
  const call = context === null ? 0 : context[NUMBER];
  const key = call * 2 + descriptor - 1;
  if (openLines.size > 0) {
    const begun = openLines.get(key);
    if (begun !== undefined) {
      text = begun + text;
      openLines.delete(key);
    }
  }
  const end = text.lastIndexOf('\n') + 1;
  if (end > 0) sendLines(call, end === text.length ? text : text.slice(0, end));
  let rest = end === text.length ? '' : text.slice(end);
  while (rest.length > LINE) {
    send(LOG, call, rest.slice(0, LINE) + '\n');
    rest = rest.slice(LINE);
  }
  if (rest !== '') openLines.set(key, rest);
}

/** Sends whole lines: cuts those that are too long, and gathers what fits a frame well. */
function sendLines(call, text) {
  if (text.length <= LINE) {
    send(LOG, call, text);
    return;
  }
  let gathered = '';
  for (const line of text.slice(0, -1).split('\n')) {
    for (let start = 0; start === 0 || start < line.length; start += LINE) {
      gathered += line.slice(start, start + LINE) + '\n';
      if (gathered.length >= LOG_FRAME) {
        send(LOG, call, gathered);
        gathered = '';
      }
    }
  }
  if (gathered !== '') send(LOG, call, gathered);
}

function endLines(call) {
  for (const key of [call * 2, call * 2 + 1]) {
    const begun = openLines.get(key);
    if (begun !== undefined) {
      openLines.delete(key);
      send(LOG, call, begun + '\n');
    }
  }
}

/** Makes `process.stdout` and `process.stderr` ours. They are built when somebody first asks for them. */
function takeOutput() {
  for (const [name, descriptor] of [['stdout', 1], ['stderr', 2]]) {
    let stream = null;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get() {
        if (stream === null) stream = output(descriptor);
        return stream;
      },
      set(other) {
        stream = other;
      },
    });
  }
  process.on('exit', () => {
    for (const key of Array.from(openLines.keys())) endLines(key >> 1);
    drain(true);
  });
}

function output(descriptor) {
  const { Writable } = require('stream');
  const { StringDecoder } = require('string_decoder');
  const decoder = new StringDecoder('utf8');
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, encoding, done) {
      if (typeof chunk !== 'string') chunk = decoder.write(chunk);
      else if (encoding && encoding !== 'utf8' && encoding !== 'utf-8') chunk = Buffer.from(chunk, encoding).toString();
      if (chunk !== '') printed(descriptor, chunk);
      done();
    },
  });
  stream.fd = descriptor;
  stream._type = 'pipe';
  // It stays open whatever closes it: the next call prints again.
  stream.destroy = () => stream;
  stream.destroySoon = stream.destroy;
  stream.end = (chunk, encoding, done) => {
    const callback = [chunk, encoding, done].find((argument) => typeof argument === 'function');
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') stream.write(chunk, encoding);
    if (callback) process.nextTick(callback);
    return stream;
  };
  return stream;
}

const LEVELS = { DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3 };
let threshold = LEVELS.INFO;

/** What `context.getLogger()` gives. The level belongs to the instance, so an initializer can set it for good. */
class Logger {
  constructor(context) {
    Object.defineProperty(this, 'context', { value: context });
  }

  debug(...values) {
    if (threshold <= LEVELS.DEBUG) this.line('DEBUG', values);
  }

  info(...values) {
    if (threshold <= LEVELS.INFO) this.line('INFO', values);
  }

  log(...values) {
    this.info(...values);
  }

  warn(...values) {
    if (threshold <= LEVELS.WARN) this.line('WARN', values);
  }

  error(...values) {
    if (threshold <= LEVELS.ERROR) this.line('ERROR', values);
  }

  setLevel(level) {
    const wanted = LEVELS[String(level).toUpperCase()];
    if (wanted !== undefined) threshold = wanted;
  }

  line(level, values) {
    const text = require('util').format(...values);
    const context = this.context;
    const call = active.get(context[NUMBER]) === context ? context[NUMBER] : 0;
    const prefix = new Date().toISOString() + ' ' + context.requestID + ' ' + level + ' ';
    for (let start = 0; start === 0 || start < text.length; start += LINE) {
      send(LOG, call, prefix + text.slice(start, start + LINE) + '\n');
    }
  }
}

// --- the context -----------------------------------------------------------------------------------------------------

const NUMBER = Symbol('call');
const ARRIVED = Symbol('arrived');
const LIMIT = Symbol('limit');
const LOGGER = Symbol('logger');

let order = null;

/** The handler's second argument: plain properties, and a method for each. */
class Context {
  constructor(call, requestID, arrived, limit) {
    this[NUMBER] = call;
    this[ARRIVED] = arrived;
    this[LIMIT] = limit;
    this[LOGGER] = null;
    this.requestID = requestID;
    this.invokeID = requestID;
    this.startTime = now();
    this.functionName = order.function;
    this.functionVersion = order.version;
    this.package = order.package;
    this.projectID = order.project_id;
    this.alias = order.alias;
    this.memory = order.memory;
    this.cpu = order.cpu;
    this.timeout = order.timeout_ms;
    this.userData = order.user_data;
    // Keys and tokens come from agencies, workflow ids from function flows; the service gives empty texts without them.
    this.accessKey = '';
    this.secretKey = '';
    this.securityAccessKey = '';
    this.securitySecretKey = '';
    this.securityToken = '';
    this.authToken = '';
    this.workflowID = '';
    this.workflowRunID = '';
    this.workflowStateID = '';
    this.traceID = '';
    this.instanceID = '';
    this.invokeProperty = '';
    this.state = null;
  }

  get logger() {
    if (this[LOGGER] === null) this[LOGGER] = new Logger(this);
    return this[LOGGER];
  }

  getLogger() {
    return this.logger;
  }

  getRemainingTimeInMilliSeconds() {
    return Math.max(0, this[LIMIT] - Math.floor((uptime() - this[ARRIVED]) * 1000));
  }

  // The name says seconds; the service gives milliseconds, and programs rely on it.
  getRunningTimeInSeconds() {
    return this.timeout;
  }

  getUserData(key, otherwise) {
    const { userData } = this;
    return Object.prototype.hasOwnProperty.call(userData, key) ? userData[key] : otherwise;
  }
}

/** Methods that do no more than give a property. */
const GETTERS = {
  getRequestID: 'requestID',
  getFunctionName: 'functionName',
  getVersion: 'functionVersion',
  getPackage: 'package',
  getProjectID: 'projectID',
  getAlias: 'alias',
  getMemorySize: 'memory',
  getCPUNumber: 'cpu',
  getAccessKey: 'accessKey',
  getSecretKey: 'secretKey',
  getSecurityAccessKey: 'securityAccessKey',
  getSecuritySecretKey: 'securitySecretKey',
  getSecurityToken: 'securityToken',
  getToken: 'authToken',
  getWorkflowID: 'workflowID',
  getWorkflowRunID: 'workflowRunID',
  getWorkflowStateID: 'workflowStateID',
  getInvokeID: 'invokeID',
  getTraceID: 'traceID',
  getInstanceID: 'instanceID',
  getInvokeProperty: 'invokeProperty',
  getState: 'state',
};

for (const [method, property] of Object.entries(GETTERS)) {
  const value = function () {
    return this[property];
  };
  Object.defineProperty(Context.prototype, method, { value, writable: true, configurable: true });
}

// --- failures --------------------------------------------------------------------------------------------------------

/** Something the platform is told as FAILED, already in its words. */
class Failure {
  constructor(code, type, message, stack) {
    this.code = code;
    this.fields = { errorMessage: message.slice(0, MESSAGE), errorType: type };
    if (stack !== undefined) this.fields.stackTrace = stack;
  }
}

/** The Failure that tells of something the user threw or handed to a callback. */
function thrown(code, prefix, error, type) {
  const real = isError(error);
  return new Failure(code, type || typeOf(error), prefix + messageOf(error), real ? stackOf(error) : []);
}

function isError(value) {
  return value instanceof Error || require('util').types.isNativeError(value);
}

/** The name of the class; where the class says no more than Error, the name the error gives itself. */
function typeOf(error) {
  try {
    if (typeof error === 'string') return 'Error';
    if (error === null || typeof error !== 'object') return typeof error;
    const name = error.constructor ? error.constructor.name : 'Object';
    const general = name === 'Error' || name === 'NodeError' || !name;
    return String((general && isError(error) && error.name) || name || 'Error');
  } catch (_) {
    return 'Error';
  }
}

function messageOf(error) {
  try {
    if (isError(error)) return relative(String(error.message)).split('\nRequire stack:')[0];
    if (error !== null && typeof error === 'object') {
      return typeof error.message === 'string' ? error.message : stringify(error) || String(error);
    }
    return String(error);
  } catch (_) {
    return 'an error that cannot be printed';
  }
}

function relative(text) {
  for (const root of order.roots) text = text.split('file://' + root + '/').join('./').split(root + '/').join('./');
  return text;
}

/** Lines of the form `at name (./index.js:3:5)`, without our own frames and without Node's. */
function stackOf(error) {
  try {
    const lines = String(error.stack).split('\n');
    const stack = lines.map((line) => line.trim()).filter((line) => line.startsWith('at ') && !isForeign(line));
    // Where a file cannot be parsed, the place stands in front and nowhere else.
    if (error.name === 'SyntaxError' && /^(file:\/\/)?\/.*:\d+$/.test(lines[0])) stack.unshift('at ' + lines[0]);
    return stack.map(relative);
  } catch (_) {
    return [];
  }
}

/** Node's own files have no folder of the file system in front: `node:events:1:2`, before Node 16 `events.js:1:2`. */
function isForeign(line) {
  const place = /(?:\(|^at (?:async )?)([^()]*)\)?$/.exec(line);
  return line.includes(HERE) || (place !== null && /^(node:|internal\/|\w+\.js:)/.test(place[1]));
}

/** Sends FAILED; the error object stands in the log of the call too, as it does in the service. */
function fail(call, failure, leaving = 0) {
  const text = stringify(failure.fields, null, 4);
  endLines(call);
  sendLines(call, text + '\n');
  send(FAILED, call, text, leaving, failure.code);
}

// --- loading ---------------------------------------------------------------------------------------------------------

/** The entry points after LOAD, each `{ owner, call, parameters, promises }`, a Failure, or null. */
let handler = null;
let initializer = null;
let preStop = null;

async function load(call, payload) {
  order = parse(payload);
  order.memory = String(order.memory_mb);
  order.cpu = String(order.cpu_millicores);
  order.roots = rootsOf(order.code_root);
  Object.assign(process.env, order.env);
  if (order.concurrent_num > 1) {
    const { AsyncLocalStorage } = require('async_hooks');
    // Before Node 12.17 lines of several calls at once cannot be told apart.
    if (AsyncLocalStorage) storage = new AsyncLocalStorage();
  }
  handler = await entry(order.handler, handlerParameters, 4001, ENTRY);
  initializer = await entry(order.initializer, initializerParameters, 4009, INITIALIZATION);
  preStop = await entry(order.pre_stop, () => '', 4001, ENTRY);
  endLines(call);
  if (handler instanceof Failure) fail(call, handler);
  else send(LOADED, call, '');
}

/** The code folder as it is named, and as it is called where links are followed: stack lines have the second. */
function rootsOf(folder) {
  const root = folder.replace(/\/+$/, '');
  try {
    return Array.from(new Set([root, realpathSync(root)]));
  } catch (_) {
    return [root];
  }
}

async function entry(name, refuse, code, prefix) {
  if (!name) return null;
  const dot = name.lastIndexOf('.');
  const path = name.slice(0, dot);
  const exported = name.slice(dot + 1);
  const config = (message) => new Failure(code, 'FunctionConfigError', prefix + message);
  const file = locate(order.roots[0] + '/' + path);
  if (file === null) return new Failure(code, 'FunctionLoadError', `${prefix}not found module './${path}.js'`);
  process.argv[1] = file;
  try {
    const owner = ownerOf(await open(file), exported);
    if (owner === null) return config(`handler '${exported}' not found in module './${path}.js'`);
    const found = owner[exported];
    const message = refuse(found);
    if (message) return config(message);
    return { owner, call: found, parameters: found.length, promises: require('util').types.isAsyncFunction(found) };
  } catch (error) {
    return thrown(code, prefix, error, 'FunctionLoadError');
  }
}

function locate(base) {
  return ['.js', '.mjs', '.cjs', '/index.js', '.json', '.node'].map((end) => base + end).find(isFile) || null;
}

function isFile(path) {
  try {
    return statSync(path).isFile();
  } catch (_) {
    return false;
  }
}

async function open(file) {
  // Asked for before require is tried: newer versions require such modules too, but print a warning into the log.
  if (!isModule(file)) {
    try {
      return require(file);
    } catch (error) {
      if (!error || !/^ERR_REQUIRE_(ESM|ASYNC_MODULE)$/.test(error.code)) throw error;
    }
  }
  return import(require('url').pathToFileURL(file).href);
}

function isModule(file) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  let folder = file;
  while (folder.length > order.roots[0].length) {
    folder = folder.slice(0, folder.lastIndexOf('/'));
    if (isFile(folder + '/package.json')) {
      try {
        return parse(readFileSync(folder + '/package.json', 'utf8')).type === 'module';
      } catch (_) {
        return false;
      }
    }
  }
  return false;
}

/** What has the function: the exports, or their default where a module exports one object. */
function ownerOf(exports, name) {
  for (const owner of [exports, exports && exports.default]) {
    if (owner && typeof owner[name] === 'function') return owner;
  }
  return null;
}

function handlerParameters(found) {
  if (order.runtime === 'Node.js6.10') {
    return found.length === 3 ? '' : `expect to have 3 parameters, but received ${found.length}`;
  }
  return found.length === 2 || found.length === 3 ? '' : `expect to have 2 or 3 parameters, but received ${found.length}`;
}

/** Two, so that there is a callback to wait for; an async function may do without. */
function initializerParameters(found) {
  if (found.length === 2 || (found.length < 2 && require('util').types.isAsyncFunction(found))) return '';
  return `expect to have 2 parameters, but received ${found.length}`;
}

// --- calls -----------------------------------------------------------------------------------------------------------

function invoke(call, requestID, text, alias = order.alias) {
  const context = new Context(call, requestID, uptime(), order.timeout_ms);
  context.alias = alias;
  active.set(call, context);
  let event;
  try {
    event = eventOf(text);
  } catch (error) {
    answerFailure(context, thrown(4001, ENTRY + 'the event is not JSON: ', error));
    return;
  }
  try {
    if (storage === null) enter(context, event);
    else storage.run(context, enter, context, event);
  } catch (error) {
    answerFailure(context, rejected(error));
  }
}

/** Calls the handler; with three parameters and no `async`, only the callback answers. */
function enter(context, event) {
  const { owner, parameters, promises } = handler;
  if (parameters === 3) {
    const value = handler.call.call(owner, event, context, (error, result) => {
      if (error === null || error === undefined) answer(context, result);
      else answerFailure(context, handedBack(error));
    });
    if (promises) follow(context, value);
    else if (isThenable(value)) value.then(undefined, (error) => answerFailure(context, rejected(error)));
    return;
  }
  const value = handler.call.call(owner, event, context);
  if (isThenable(value)) follow(context, value);
  else answer(context, value);
}

function follow(context, promise) {
  promise.then(
    (value) => answer(context, value),
    (error) => answerFailure(context, rejected(error)),
  );
}

function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof value.then === 'function';
}

function rejected(error) {
  return thrown(isDiskFull(error) ? 4207 : 4002, INVOCATION, error);
}

/** Watching files runs out of something else under the same name. */
function isDiskFull(error) {
  return isError(error) && error.code === 'ENOSPC' && error.syscall !== 'watch';
}

function handedBack(error) {
  return new Failure(4002, typeOf(error), ENTRY + messageOf(error));
}

/** A JSON text whose content is an object or a list is decoded once more. */
function eventOf(text) {
  const event = parse(text);
  if (typeof event !== 'string' || !/^\s*[{[]/.test(event)) return event;
  try {
    return parse(event);
  } catch (_) {
    return event;
  }
}

/** The first answer counts; later ones are not heard. */
function answer(context, value) {
  const call = context[NUMBER];
  if (active.get(call) !== context) return;
  let form = JSON_TEXT;
  let payload;
  try {
    if (typeof value === 'string') {
      form = TEXT;
      payload = value;
    } else if (value === undefined || value === null) {
      payload = '';
    } else if (value instanceof Uint8Array) {
      form = BYTES;
      payload = value;
    } else {
      payload = written(value);
    }
  } catch (error) {
    answerFailure(context, new Failure(4007, typeOf(error), INVALID + messageOf(error)));
    return;
  }
  if (payload === '' && form === JSON_TEXT) form = NOTHING;
  if (isTooLarge(payload)) {
    answerFailure(context, new Failure(4004, 'FunctionResultTooLarge', TOO_LARGE));
    return;
  }
  if (openLines.size > 0) endLines(call);
  active.delete(call);
  if (form === BYTES) sendBytes(RESULT, call, payload, form);
  else send(RESULT, call, payload, form);
}

function written(value) {
  const text = stringify(value);
  if (text !== undefined) return text;
  if (typeof value === 'object') return '';
  throw new TypeError(`a ${typeof value} cannot become JSON`);
}

function isTooLarge(payload) {
  const most = order.max_result_bytes;
  if (typeof payload !== 'string') return payload.length > most;
  return payload.length * 3 > most && Buffer.byteLength(payload) > most;
}

function answerFailure(context, failure, leaving = 0) {
  const call = context[NUMBER];
  if (active.get(call) !== context) return;
  fail(call, failure, leaving);
  active.delete(call);
}

function initialize(call, requestID) {
  const context = new Context(call, requestID, uptime(), order.initializer_timeout_ms);
  active.set(call, context);
  const end = (failure) => {
    if (active.get(call) !== context) return;
    if (failure) {
      answerFailure(context, failure);
      return;
    }
    endLines(call);
    active.delete(call);
    send(INITIALIZED, call, '');
  };
  if (initializer === null || initializer instanceof Failure) end(initializer);
  else run(initializer, context, (error, failed) => end(failed ? thrown(4009, INITIALIZATION, error) : null));
}

/** Runs an initializer or pre-stop handler; `done(error, failed)` comes from its callback, its promise or its throw. */
function run(entryPoint, context, done) {
  const enterIt = () => entryPoint.call.call(entryPoint.owner, context, (error) => {
    done(error, error !== null && error !== undefined);
  });
  try {
    const value = storage === null ? enterIt() : storage.run(context, enterIt);
    if (isThenable(value)) value.then(() => done(null, false), (error) => done(error, true));
    else if (entryPoint.parameters < 2) done(null, false);
  } catch (error) {
    done(error, true);
  }
}

function stop() {
  let stopped = false;
  const leave = (error, failed) => {
    if (stopped) return;
    stopped = true;
    if (failed) sendLines(0, [typeOf(error) + ': ' + messageOf(error), ...stackOf(error)].join('\n') + '\n');
    endLines(0);
    send(STOPPED, 0, '');
    leaveWhenSent();
  };
  if (preStop === null) leave(null, false);
  else if (preStop instanceof Failure) leave(new Error(preStop.fields.errorMessage), true);
  else run(preStop, new Context(0, '', uptime(), order.timeout_ms), leave);
}

function leaveWhenSent() {
  drain(true);
  leaveAtOnce(0);
}

/** What nobody caught ends the process, unless the user's code listens for it; running calls are told first. */
function takeUncaught() {
  for (const name of ['uncaughtException', 'unhandledRejection']) {
    process.on(name, (error) => {
      if (process.listenerCount(name) > 1) return;
      if (active.size === 0) {
        sendLines(0, [typeOf(error) + ': ' + messageOf(error), ...(order ? stackOf(error) : [])].join('\n') + '\n');
      }
      for (const context of Array.from(active.values())) answerFailure(context, rejected(error), LEAVING);
      process.exit(1);
    });
  }
}

function deal(bytes, start, length, call, kind) {
  if (kind === INVOKE) {
    const requestID = bytes.latin1Slice(start, start + REQUEST_ID);
    invoke(call, requestID, bytes.utf8Slice(start + REQUEST_ID, start + length));
  } else if (kind === INVOKE_AS) {
    const requestID = bytes.latin1Slice(start, start + REQUEST_ID);
    const alias = start + REQUEST_ID + 1;
    const event = alias + bytes[alias - 1];
    invoke(call, requestID, bytes.utf8Slice(event, start + length), bytes.latin1Slice(alias, event));
  } else if (kind === LOAD) {
    load(call, bytes.toString('utf8', start, start + length));
  } else if (kind === INITIALIZE) {
    initialize(call, bytes.toString('latin1', start, start + length));
  } else if (kind === STOP) {
    stop();
  } else {
    writeSync(2, 'fungraph: the bootstrap was sent a frame it does not know; it leaves\n');
    leaveAtOnce(1);
  }
}

send(HELLO, 0, stringify({ protocol: PROTOCOL, language: 'nodejs', version: process.versions.node }));
takeOutput();
takeUncaught();
listen(deal);
