'use strict';
// Runs the samples of tests/contract/samples against a bootstrap and compares, as far as a bootstrap has a say.
// Left to the platform: time limits, the asynchronous queue, and what a gateway makes of a result.
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const { Instance, FAILED, RESULT } = require('./instance');

const SAMPLES = path.join(__dirname, '..', '..', '..', 'tests', 'contract', 'samples');
const OF_THE_PLATFORM = ['js-never-answers', 'js-async-job'];

function names() {
  return fs.readdirSync(SAMPLES).filter((name) => name.startsWith('js-') && !OF_THE_PLATFORM.includes(name));
}

async function run(name, node, folder) {
  const source = path.join(SAMPLES, name);
  const fixture = JSON.parse(fs.readFileSync(path.join(source, 'fixture.json'), 'utf8'));
  const dependencies = fixture.dependencies || [];
  copy(source, folder, ['fixture.json', ...dependencies]);
  for (const dependency of dependencies) copy(path.join(source, dependency), folder, []);
  let instance = null;
  for (const step of [fixture, ...(fixture.then || [])]) {
    let answer = null;
    if (instance === null) {
      instance = new Instance(node);
      answer = await start(instance, fixture, folder);
    }
    answer = answer || await instance.call(step.event);
    check(answer, step.expect);
  }
  await instance.kill();
}

/** Loads and initializes; gives the answer that failed, or null. */
async function start(instance, fixture, folder) {
  const loaded = await instance.load(folder, {
    runtime: fixture.runtime, handler: fixture.handler, initializer: fixture.initializer_handler || null,
    timeout_ms: (fixture.timeout || 3) * 1000, memory_mb: fixture.memory_size || 128, user_data: fixture.user_data || {},
  });
  if (loaded.kind === FAILED) return loaded;
  if (!fixture.initializer_handler) return null;
  // The log of the initializer belongs to the call that pays for it, the first.
  const initialized = await instance.initialize(1);
  return initialized.kind === FAILED ? initialized : null;
}

function copy(source, target, leftOut) {
  fs.mkdirSync(target, { recursive: true });
  for (const name of fs.readdirSync(source)) {
    if (leftOut.includes(name)) continue;
    const from = path.join(source, name);
    if (fs.statSync(from).isDirectory()) copy(from, path.join(target, name), []);
    else fs.copyFileSync(from, path.join(target, name));
  }
}

function check(answer, expect) {
  const about = `${answer.text.slice(0, 500)} ${answer.log.slice(-500)}`;
  const outcome = answer.code === 4009 ? 'init_failed' : { [RESULT]: 'returned', [FAILED]: 'raised' }[answer.kind];
  assert.strictEqual(outcome, expect.outcome, about);
  if (expect.inner_code) assert.strictEqual(answer.code, expect.inner_code, about);
  if (expect.result) assert.deepStrictEqual(answer.json, expect.result);
  if (expect.result_like) like(answer.json, expect.result_like);
  if (expect.result_text !== undefined) assert.deepStrictEqual([answer.form, answer.text], [1, expect.result_text]);
  if (expect.result_length) assert.strictEqual(answer.payload.length, expect.result_length);
  if (expect.result_empty) assert.deepStrictEqual([answer.form, answer.text], [0, '']);
  if (expect.content_type === 'application/json') assert.strictEqual(answer.form, 2);
  if (expect.error) checkError(answer, expect.error);
  if (expect.http) checkHttp(answer.json, expect.http);
  for (const line of expect.logs || []) assert.strictEqual(answer.log.split(line).length, 2, `${line} in ${about}`);
  for (const line of expect.logs_absent || []) assert(!answer.log.includes(line), about);
}

function checkError(answer, error) {
  const value = answer.json;
  assert.deepStrictEqual(Object.keys(value), ['errorMessage', 'errorType', 'stackTrace'].slice(0, Object.keys(value).length));
  assert(answer.log.includes(answer.text), answer.log);
  if (error.errorType) same(value.errorType, error.errorType);
  if (error.errorMessage) same(value.errorMessage, error.errorMessage);
  if (error.errorMessage_contains) assert(value.errorMessage.includes(error.errorMessage_contains), answer.text);
  if (error.stackTrace !== undefined) assert.strictEqual(value.stackTrace !== undefined, error.stackTrace, answer.text);
  const stack = (value.stackTrace || []).join('\n');
  for (const part of error.stackTrace_contains || []) assert(stack.includes(part), stack);
  for (const part of error.stackTrace_absent || []) assert(!stack.includes(part), stack);
}

function checkHttp(value, http) {
  const body = Buffer.from(value.body, value.isBase64Encoded ? 'base64' : 'utf8');
  const headers = {};
  for (const [name, text] of Object.entries(value.headers)) headers[name.toLowerCase()] = text;
  assert.strictEqual(value.statusCode, http.status);
  for (const [name, text] of Object.entries(http.headers || {})) assert(headers[name].startsWith(text), name);
  if (http.body_text !== undefined) assert.strictEqual(body.toString(), http.body_text);
  if (http.body_json) assert.deepStrictEqual(JSON.parse(body.toString()), http.body_json);
  if (http.body_gunzip_text) assert.strictEqual(zlib.gunzipSync(body).toString(), http.body_gunzip_text);
}

function like(value, pattern) {
  for (const [key, wanted] of Object.entries(pattern)) same(value[key], wanted);
}

function same(value, wanted) {
  if (wanted && wanted.$one_of) assert(wanted.$one_of.includes(value), String(value));
  else if (wanted && wanted.$between) assert(wanted.$between[0] <= value && value <= wanted.$between[1], String(value));
  else assert.deepStrictEqual(value, wanted);
}

module.exports = { names, run };
