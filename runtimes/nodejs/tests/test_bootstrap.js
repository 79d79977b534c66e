'use strict';
// Starts the real bootstrap and speaks the protocol with it.
//
//     node runtimes/nodejs/tests/test_bootstrap.js [part of a name]
//
// FUNGRAPH_TEST_NODES, a list with colons, names the interpreters to test instead of the one that runs this.
const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { Instance, INVOKE, INITIALIZED, LOADED, RESULT, FAILED, LOG, STOPPED } = require('./instance');
const samples = require('./samples');

// Only so that a broken bootstrap fails a test and does not hang it; nothing is decided by it.
const GIVE_UP_MS = 60000;
const ENTRY = 'function entry exception, error: ';
const INVOCATION = 'function invocation exception, error: ';
const INITIALIZATION = 'function initialization exception, error: ';

/** What one test works with: a code folder, and instances that are gone when it ends. */
class Scene {
  constructor(node) {
    this.node = node;
    this.version = execFileSync(node, ['-p', 'process.versions.node']).toString().trim();
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fungraph-'));
    this.instances = [];
  }

  write(name, source) {
    const file = path.join(this.folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, source);
  }

  blank() {
    const instance = new Instance(this.node);
    this.instances.push(instance);
    return instance;
  }

  async loaded(source, changes) {
    this.write('index.js', source);
    const instance = this.blank();
    const answer = await instance.load(this.folder, changes);
    assert.strictEqual(answer.kind, LOADED, answer.text);
    return instance;
  }

  /** The error object of a LOAD that fails with 4001. */
  async refused(source, changes) {
    if (source !== null) this.write('index.js', source);
    const answer = await this.blank().load(this.folder, changes);
    assert.deepStrictEqual([answer.kind, answer.code], [FAILED, 4001]);
    assert(answer.json.errorMessage.startsWith(ENTRY), answer.text);
    assert(answer.log.includes(answer.text), answer.log);
    return answer.json;
  }

  async clear() {
    await Promise.all(this.instances.map((instance) => instance.kill()));
    // Node 12 has no rm.
    (fs.rmSync || fs.rmdirSync)(this.folder, { recursive: true });
  }
}

function failed(answer, code, type, message) {
  assert.deepStrictEqual([answer.kind, answer.code], [FAILED, code], answer.text.slice(0, 500));
  assert.deepStrictEqual([answer.json.errorType, answer.json.errorMessage], [type, message]);
  assert(answer.log.includes(answer.text), answer.log.slice(0, 500));
}

function returned(answer, form, text) {
  assert.deepStrictEqual([answer.kind, answer.form, answer.text.slice(0, 500)], [RESULT, form, text]);
}

const tests = {};

for (const name of samples.names()) {
  tests[`sample ${name}`] = (scene) => samples.run(name, scene.node, scene.folder);
}

tests['hello names the version'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context) => 1;');
  assert.deepStrictEqual(instance.hello.json, { protocol: 1, language: 'nodejs', version: scene.version });
};

tests['what cannot be loaded'] = async (scene) => {
  assert.deepStrictEqual(await scene.refused(null, { handler: 'gone/away.handler' }), {
    errorMessage: `${ENTRY}not found module './gone/away.js'`, errorType: 'FunctionLoadError',
  });
  const missing = await scene.refused('exports.handler = 7;');
  assert.deepStrictEqual(missing, {
    errorMessage: `${ENTRY}handler 'handler' not found in module './index.js'`, errorType: 'FunctionConfigError',
  });
  const broken = await scene.refused('let a = 1;\nlet b = = 2;\n');
  assert.strictEqual(broken.errorType, 'FunctionLoadError');
  assert.strictEqual(broken.stackTrace[0], 'at ./index.js:2');
  const throwing = await scene.refused('function sink() { throw new RangeError("full"); }\nsink();');
  assert.strictEqual(throwing.errorMessage, `${ENTRY}full`);
  assert.strictEqual(throwing.stackTrace[0], 'at sink (./index.js:1:25)');
  assert(!JSON.stringify(throwing).includes('bootstrap'));
  const absent = await scene.refused('require("nowhere-to-be-found");');
  assert.strictEqual(absent.errorMessage, `${ENTRY}Cannot find module 'nowhere-to-be-found'`);
};

tests['parameter counts'] = async (scene) => {
  for (const [runtime, parameters, wanted] of [['Node.js18.15', '', '2 or 3'], ['Node.js18.15', 'a', '2 or 3'],
    ['Node.js18.15', 'a, b, c, d', '2 or 3'], ['Node.js6.10', 'a, b', '3']]) {
    const error = await scene.refused(`exports.handler = (${parameters}) => 1;`, { runtime });
    const count = parameters ? parameters.split(',').length : 0;
    assert.strictEqual(error.errorMessage, `${ENTRY}expect to have ${wanted} parameters, but received ${count}`);
    assert.strictEqual(error.errorType, 'FunctionConfigError');
  }
  const instance = await scene.loaded('exports.handler = (a, b, c) => c(null, 1);', { runtime: 'Node.js6.10' });
  returned(await instance.call({}), 2, '1');
};

tests['ES modules'] = async (scene) => {
  scene.write('one.mjs', 'export const handler = async (event, context) => import.meta.url.slice(-7);');
  scene.write('pkg/package.json', '{"type": "module"}');
  scene.write('pkg/two.js', 'import path from "path"; export default { handler(event, context) { return path.basename("a/two"); } };');
  scene.write('pkg/three.cjs', 'exports.handler = (event, context) => "three";');
  scene.write('pkg/four.js', 'export const handler = (event, context) => { throw new Error("four"); };');
  for (const [file, result] of [['one', 'one.mjs'], ['pkg/two', 'two'], ['pkg/three', 'three']]) {
    const instance = scene.blank();
    assert.strictEqual((await instance.load(scene.folder, { handler: `${file}.handler` })).kind, LOADED);
    returned(await instance.call({}), 1, result);
    assert.deepStrictEqual(Array.from(instance.logs), []);
  }
  const instance = scene.blank();
  await instance.load(scene.folder, { handler: 'pkg/four.handler' });
  const [top] = (await instance.call({})).json.stackTrace;
  assert(/^at (Module\.)?handler \(\.\/pkg\/four\.js:1:\d+\)$/.test(top), top);
};

tests['results'] = async (scene) => {
  const instance = await scene.loaded(`
    const values = {
      undefined: undefined, null: null, text: 'é€', empty: '', zero: 0, no: false, list: [1, 'é'], object: { a: 1, b: undefined },
      nan: NaN, date: new Date(0), buffer: Buffer.from('bytes'), array: new Uint8Array([104, 105]), gone: { toJSON() {} },
      map: new Map(), half: '\\ud800' };
    exports.handler = async (event, context) => values[event];`);
  for (const [event, form, text] of [['undefined', 0, ''], ['null', 0, ''], ['text', 1, 'é€'], ['empty', 1, ''], ['zero', 2, '0'],
    ['no', 2, 'false'], ['list', 2, '[1,"é"]'], ['object', 2, '{"a":1}'], ['nan', 2, 'null'],
    ['date', 2, '"1970-01-01T00:00:00.000Z"'], ['buffer', 3, 'bytes'], ['array', 3, 'hi'], ['gone', 0, ''], ['map', 2, '{}'],
    ['half', 1, '\ufffd']]) {
    returned(await instance.call(event), form, text);
  }
};

tests['results that cannot be written'] = async (scene) => {
  const instance = await scene.loaded(`
    const values = { big: { n: 1n }, function: () => 1, symbol: Symbol('s'), throws: { toJSON() { throw new RangeError('no'); } } };
    exports.handler = (event, context, callback) => callback(null, values[event]);`);
  for (const [event, type, message] of [['big', 'TypeError', 'BigInt'], ['function', 'TypeError', 'function'],
    ['symbol', 'TypeError', 'symbol'], ['throws', 'RangeError', 'no']]) {
    const answer = await instance.call(event);
    assert.deepStrictEqual([answer.code, answer.json.errorType], [4007, type]);
    assert(answer.json.errorMessage.startsWith('function result is invalid, error: '), answer.text);
    assert(answer.json.errorMessage.includes(message), answer.text);
  }
};

tests['size limit counts bytes'] = async (scene) => {
  const instance = await scene.loaded(
    'exports.handler = (event, context) => event < 0 ? Buffer.alloc(-event) : "é".repeat(event);', { max_result_bytes: 100 });
  assert.strictEqual((await instance.call(50)).kind, RESULT);
  assert.strictEqual((await instance.call(-100)).kind, RESULT);
  for (const event of [51, -101]) {
    failed(await instance.call(event), 4004, 'FunctionResultTooLarge',
      'the return value of the function exceeds the maximum allowed limit');
  }
};

tests['large events and results'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context) => { console.log("before"); return event; };');
  const text = 'é'.repeat(3000000);
  const answer = await instance.call(text);
  assert(answer.text === text && answer.log === 'before\n');
  returned(await instance.call({}), 2, '{}');
};

tests['events'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context) => [event];');
  for (const [raw, value] of [[' {} \n', {}], ['"{\\"a\\": [1]}"', { a: [1] }], ['" [1] "', [1]], ['"{no"', '{no'], ['"12"', '12'],
    ['null', null]]) {
    instance.begin(raw);
    assert.deepStrictEqual((await instance.answer()).json, [value]);
  }
  instance.begin('{oops');
  const answer = await instance.answer();
  assert.deepStrictEqual([answer.code, answer.json.errorType], [4001, 'SyntaxError']);
  returned(await instance.call({}), 2, '[{}]');
};

tests['who answers'] = async (scene) => {
  const instance = await scene.loaded(`
    const later = (value) => new Promise((resolve) => setTimeout(resolve, 1, value));
    exports.handler = (event, context, callback) => { callback(null, 'first'); callback(null, 'second'); callback('third');
      setTimeout(() => callback(null, 'late'), 1); return 'returned'; };
    exports.ignored = (event, context, callback) => { setTimeout(callback, 5, null, 'called'); return later('resolved'); };
    exports.both = async (event, context, callback) => { callback(null, 'called'); return 'resolved'; };
    exports.resolved = async (event, context, callback) => later('resolved');
    exports.thenable = (event, context) => ({ then(resolve) { resolve('then'); } });
    exports.plain = (event, context) => 'plain';
    exports.rejecting = (event, context, callback) => Promise.reject(new Error('early'));
    class App { constructor() { this.name = 'app'; } own(event, context) { return this.name; } }
    exports.own = new App().own; module.exports.name = 'exports';`);
  returned(await instance.call({}), 1, 'first');
  returned(await instance.call({}), 1, 'first');
  for (const [name, text] of [['ignored', 'called'], ['both', 'called'], ['resolved', 'resolved'], ['thenable', 'then'],
    ['plain', 'plain'], ['own', 'exports']]) {
    const other = scene.blank();
    await other.load(scene.folder, { handler: `index.${name}` });
    returned(await other.call({}), 1, text);
  }
  const other = scene.blank();
  await other.load(scene.folder, { handler: 'index.rejecting' });
  failed(await other.call({}), 4002, 'Error', `${INVOCATION}early`);
};

tests['what is thrown, rejected and handed back'] = async (scene) => {
  const instance = await scene.loaded(`
    class Own extends Error {}
    const named = new Error('n'); named.name = 'Named';
    const values = { own: new Own('o'), named, text: 'just text', number: 7, nothing: undefined, object: { a: 1 },
      like: { message: 'like an error' }, nil: null, evil: { get message() { throw 1; }, toString() { throw 2; } } };
    exports.handler = (event, context, callback) => {
      const value = values[event.what];
      if (event.how === 'throw') throw value;
      if (event.how === 'reject') return Promise.reject(value);
      callback(value);
    };`);
  for (const [what, type, message] of [['own', 'Own', 'o'], ['named', 'Named', 'n'], ['text', 'Error', 'just text'],
    ['number', 'number', '7'], ['object', 'Object', '{"a":1}'], ['like', 'Object', 'like an error'],
    ['evil', 'Object', 'an error that cannot be printed']]) {
    failed(await instance.call({ what, how: 'throw' }), 4002, type, INVOCATION + message);
    const rejected = await instance.call({ what, how: 'reject' });
    failed(rejected, 4002, type, INVOCATION + message);
    assert(Array.isArray(rejected.json.stackTrace));
    const handed = await instance.call({ what, how: 'callback' });
    failed(handed, 4002, type, ENTRY + message);
    assert.deepStrictEqual(Object.keys(handed.json), ['errorMessage', 'errorType']);
  }
  failed(await instance.call({ what: 'nothing', how: 'throw' }), 4002, 'undefined', `${INVOCATION}undefined`);
  failed(await instance.call({ what: 'nil', how: 'reject' }), 4002, 'object', `${INVOCATION}null`);
  returned(await instance.call({ what: 'nil', how: 'callback' }), 0, '');
  assert((await instance.call({ what: 'own', how: 'callback' })).text.startsWith('{\n    "errorMessage": "'));
};

tests['deep recursion and hostile globals'] = async (scene) => {
  const instance = await scene.loaded(`
    const deeper = () => deeper() + 1;
    exports.handler = async (event, context) => {
      if (event === 'deep') return deeper();
      Array.prototype.extra = 1; Object.prototype.then2 = 1; JSON.parse = JSON.stringify = () => 'mine'; Error.prepareStackTrace = () => 7;
      Buffer.from = Date.now = process.stdout.write = require('fs').writeSync = () => { throw new Error('replaced'); };
      if (event === 'throw') throw new Error('after all');
      return { fine: true };
    };`);
  assert.strictEqual((await instance.call('deep')).json.errorType, 'RangeError');
  returned(await instance.call({}), 2, '{"fine":true}');
};

tests['initializer'] = async (scene) => {
  const source = `
    let seen = '';
    exports.handler = (event, context) => seen;
    exports.calls = (context, callback) => { process.stdout.write('no end'); seen = 'calls'; setTimeout(callback, 1); };
    exports.awaits = async (context) => { seen = 'awaits ' + (context.getRemainingTimeInMilliSeconds() > 5000); };
    exports.throws = (context, callback) => { throw new TypeError('t'); };
    exports.rejects = async (context) => { throw new TypeError('t'); };
    exports.hands = (context, callback) => callback('text');
    exports.one = (context) => 1;`;
  for (const [name, result] of [['calls', 'calls'], ['awaits', 'awaits true']]) {
    const instance = await scene.loaded(source, { initializer: `index.${name}`, initializer_timeout_ms: 60000 });
    const answer = await instance.initialize(9);
    assert.deepStrictEqual([answer.kind, answer.call], [INITIALIZED, 9]);
    if (name === 'calls') assert.strictEqual(answer.log, 'no end\n');
    returned(await instance.call({}), 1, result);
  }
  for (const [name, type, message] of [['throws', 'TypeError', 't'], ['rejects', 'TypeError', 't'], ['hands', 'Error', 'text'],
    ['one', 'FunctionConfigError', 'expect to have 2 parameters, but received 1'],
    ['gone', 'FunctionConfigError', "handler 'gone' not found in module './index.js'"]]) {
    const instance = await scene.loaded(source, { initializer: `index.${name}` });
    failed(await instance.initialize(), 4009, type, INITIALIZATION + message);
  }
};

tests['printed lines'] = async (scene) => {
  const instance = await scene.loaded(`
    console.log('while loading');
    exports.handler = async (event, context) => {
      process.stdout.write('part'); process.stderr.write('error\\nlines\\n'); process.stdout.write(' of a line\\r\\n');
      process.stdout.write(Buffer.from('é').slice(0, 1)); process.stdout.write(Buffer.from('é').slice(1)); process.stdout.write('0a', 'hex');
      await new Promise((resolve) => process.stdout.write('called back\\n', resolve));
      process.stdout.end('ended\\n'); process.stdout.destroy(); console.error('still %s', 'open');
      const facts = [process.stdout.fd, process.stderr.fd, process.stdout.writable, process.stdout.isTTY];
      await new Promise((resolve) => { const { Readable } = require('stream'); const source = new Readable({ read() {} });
        source.on('end', resolve); source.push('piped\\n'); source.push(null); source.pipe(process.stdout); });
      console.table([{ a: 1 }]);
      process.stdout.write('half left');
      return facts;
    };`);
  assert.strictEqual(instance.logs.get(0), 'while loading\n');
  for (let round = 0; round < 2; round += 1) {
    const answer = await instance.call({});
    assert.deepStrictEqual(answer.json, [1, 2, true, null]);
    assert(answer.log.startsWith('error\nlines\npart of a line\r\né\ncalled back\nended\nstill open\npiped\n'), answer.log);
    assert(answer.log.endsWith('half left\n'), answer.log);
  }
};

tests['long lines are cut'] = async (scene) => {
  const instance = await scene.loaded(`
    exports.handler = (event, context) => {
      console.log('x'.repeat(200 * 1024));
      for (let i = 0; i < 100 * 1024; i++) process.stdout.write('y');
      console.log();
      context.getLogger().warn('z'.repeat(100 * 1024));
      process.stdout.write('many\\n'.repeat(1000000));
    };`);
  const answer = await instance.call({});
  const lines = answer.log.slice(0, -1).split('\n');
  const most = 90 * 1024;
  const lengths = (letter) => lines.filter((line) => line[0] === letter).map((line) => line.length);
  assert.deepStrictEqual(lengths('x'), [most, most, 20 * 1024]);
  assert.deepStrictEqual(lengths('y'), [most, 10 * 1024]);
  const logger = lines.filter((line) => line.includes(' WARN z'));
  assert.deepStrictEqual(logger.map((line) => line.split('z').length - 1), [most, 10 * 1024]);
  assert(logger.every((line) => line.includes(answer.requestID)));
  assert.strictEqual(lines.filter((line) => line === 'many').length, 1000000);
};

tests['logger lines'] = async (scene) => {
  const instance = await scene.loaded(`
    exports.initializer = (context, callback) => { context.getLogger().setLevel('debug'); callback(); };
    exports.handler = (event, context) => { context.logger.debug('über %d', 1); context.getLogger().setLevel('LOUD');
      context.getLogger().info({ a: 1 }, 'b'); };`, { initializer: 'index.initializer' });
  await instance.initialize(100);
  const answer = await instance.call({});
  const [first, second] = answer.log.split('\n');
  assert(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /.test(first), first);
  assert.strictEqual(first.slice(25), `${answer.requestID} DEBUG über 1`);
  assert.strictEqual(second.slice(25), `${answer.requestID} INFO { a: 1 } b`);
};

tests['lines after the answer belong to no call'] = async (scene) => {
  const instance = await scene.loaded(`
    exports.handler = (event, context) => { setTimeout(() => { console.log('late'); context.getLogger().info('late too'); }, 1); return 'x'; };`);
  const { requestID } = await instance.call({});
  const late = [await instance.receive(), await instance.receive()];
  assert.deepStrictEqual(late.map((frame) => [frame.kind, frame.call]), [[LOG, 0], [LOG, 0]]);
  assert(late[1].payload.toString().endsWith(`${requestID} INFO late too\n`));
};

tests['several calls at once'] = async (scene) => {
  const instance = await scene.loaded(`
    let here = 0; let open; const all = new Promise((resolve) => { open = resolve; });
    const tell = async (event) => { await null; console.log('inner ' + event); };
    exports.handler = async (event, context) => {
      process.stdout.write('begin ' + event); if (++here === 3) open(); await all;
      console.log(' end ' + event); await tell(event); context.getLogger().info('log ' + event);
      if (event === 'b') throw new Error(event);
      return [event];
    };`, { concurrent_num: 3 });
  const [major, minor] = scene.version.split('.').map(Number);
  for (const event of 'abc') instance.begin(JSON.stringify(event));
  const answers = [await instance.answer(), await instance.answer(), await instance.answer()];
  for (const answer of answers) {
    const event = 'abc'[answer.call - 1];
    assert(answer.log.includes(`INFO log ${event}\n`), answer.log);
    // Older ones have no AsyncLocalStorage.
    if (major > 12 || minor >= 17) assert(answer.log.startsWith(`begin ${event} end ${event}\ninner ${event}\n`), answer.log);
    if (event === 'b') assert.strictEqual(answer.code, 4002);
    else assert.deepStrictEqual(answer.json, [event]);
  }
};

tests['who prints behind a large result of another call fills no memory'] = async (scene) => {
  const instance = await scene.loaded(`
    const fs = require('fs'); const line = 'x'.repeat(65535);
    exports.handler = (event, context, callback) => {
      if (event === 'large') return callback(null, 'r'.repeat(4 << 20));
      fs.writeFileSync(event, '');
      const before = process.memoryUsage().external; let most = 0;
      for (let number = 0; number < 1024; number += 1) {
        console.log(number + line);
        most = Math.max(most, process.memoryUsage().external - before);
      }
      callback(null, most);
    };`, { concurrent_num: 2 });
  instance.socket.pause();
  instance.begin('"large"');
  const marker = path.join(scene.folder, 'begun');
  instance.begin(JSON.stringify(marker));
  while (!fs.existsSync(marker)) await new Promise((resolve) => setTimeout(resolve, 5));
  instance.socket.resume();
  returned(await instance.answer(), 1, 'r'.repeat(500));
  for (let number = 0; number < 1024; number += 1) {
    const { kind, call, payload } = await instance.receive();
    assert(kind === LOG && call === 2 && payload.length > 65535, `${kind} ${call}`);
    assert.strictEqual(payload.slice(0, 6).toString(), (number + 'xxxxxx').slice(0, 6));
  }
  const most = (await instance.answer()).json;
  assert(most < 8 << 20, `${most} bytes`);
};

tests['what nobody catches'] = async (scene) => {
  const source = `
    const wait = new Promise(() => {});
    exports.handler = async (event, context) => {
      if (event === 'wait') return wait;
      if (event === 'listen') { process.on('uncaughtException', () => {}); process.on('unhandledRejection', () => {}); event = 'timer'; setTimeout(() => { throw new Error('heard'); }, 1); Promise.reject(1); return new Promise((resolve) => setTimeout(resolve, 20, 'alive')); }
      if (event === 'timer') setTimeout(() => { throw new RangeError('in a timer'); }, 1);
      if (event === 'promise') { Promise.reject(new RangeError('in a promise')); }
      return wait;
    };`;
  for (const event of ['timer', 'promise']) {
    const instance = await scene.loaded(source);
    const answer = await instance.call(event);
    failed(answer, 4002, 'RangeError', `${INVOCATION}in a ${event}`);
    assert.strictEqual(answer.form, 1, 'the platform is told that no call may follow');
    assert.strictEqual(await instance.receive(), undefined);
    assert.strictEqual(await instance.exit, 1);
  }
  const listening = await scene.loaded(source);
  returned(await listening.call('listen'), 1, 'alive');
  const several = await scene.loaded(source, { concurrent_num: 2 });
  several.begin('"wait"');
  several.begin('"timer"');
  const answers = [await several.answer(), await several.answer()];
  assert.deepStrictEqual(answers.map((answer) => [answer.call, answer.code]), [[1, 4002], [2, 4002]]);
  const between = await scene.loaded('exports.handler = (event, context) => { setTimeout(() => { throw new Error("between"); }, 1); };');
  await between.call({});
  assert.strictEqual(await between.receive().then((frame) => frame.call), 0);
  assert.strictEqual(await between.exit, 1);
};

tests['a full disk has a number of its own'] = async (scene) => {
  const instance = await scene.loaded(`
    exports.handler = async (event, context) => { throw Object.assign(new Error('no room'), event); };`);
  for (const [event, code] of [[{ code: 'ENOSPC', syscall: 'write' }, 4207], [{ code: 'ENOSPC', syscall: 'watch' }, 4002], [{}, 4002]]) {
    const answer = await instance.call(event);
    failed(answer, code, 'Error', `${INVOCATION}no room`);
    assert.strictEqual(answer.form, 0);
  }
};

tests['process.exit says nothing but brings out what was printed'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context) => { console.log("last"); process.stdout.write("words"); process.exit(0); };');
  instance.begin('{}');
  assert.strictEqual(await instance.answer(), undefined);
  assert.strictEqual(instance.logs.get(1), 'last\nwords\n');
};

tests['child processes'] = async (scene) => {
  const instance = await scene.loaded(`
    const { execSync, spawnSync } = require('child_process');
    exports.handler = (event, context) => {
      spawnSync('echo', ['from a child'], { stdio: 'inherit' });
      return execSync('test -S /dev/fd/3 && echo inherited || echo closed').toString().trim();
    };`);
  returned(await instance.call({}), 1, 'closed');
  await instance.stop();
  await instance.exit;
  assert.strictEqual(instance.raw, 'from a child\n');
};

tests['stop'] = async (scene) => {
  const source = `
    exports.handler = (event, context) => 1;
    exports.calls = (context, callback) => { console.log('bye'); setTimeout(callback, 1); };
    exports.awaits = async (context) => { console.log('bye ' + context.getFunctionName()); };
    exports.plain = (context) => { console.log('bye'); };
    exports.throws = (context) => { throw new Error('no farewell'); };`;
  for (const [name, log] of [[null, ''], ['calls', 'bye\n'], ['awaits', 'bye hello\n'], ['plain', 'bye\n'],
    ['throws', 'Error: no farewell\n'], ['gone', 'not found in module']]) {
    const instance = await scene.loaded(source, { pre_stop: name && `index.${name}` });
    const answer = await instance.stop();
    assert.strictEqual(answer.kind, STOPPED);
    assert(answer.log.includes(log), answer.log);
    assert.strictEqual(await instance.exit, 0);
  }
  const blank = scene.blank();
  await blank.answer();
  assert.strictEqual((await blank.stop()).kind, STOPPED);
  assert.strictEqual(await blank.exit, 0);
};

tests['end of file ends the process'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context, callback) => { setInterval(() => {}, 1000); };');
  instance.begin('{}');
  instance.socket.destroy();
  assert.strictEqual(await instance.exit, 0);
};

tests['unknown frame ends the process'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context) => 1;');
  instance.send(99);
  assert.strictEqual(await instance.exit, 1);
};

tests['frames in pieces and together'] = async (scene) => {
  const instance = await scene.loaded('exports.handler = (event, context) => event;', { concurrent_num: 8 });
  const frames = Buffer.concat(Array.from('12345678').map((n) => instance.frame(INVOKE, Number(n), `${'i'.repeat(36)}"${n}"`)));
  for (let start = 0; start < 200; start += 1) {
    await new Promise((resolve) => instance.socket.write(frames.slice(start, start + 1), resolve));
  }
  instance.socket.write(frames.slice(200));
  const texts = [];
  for (let n = 0; n < 8; n += 1) texts.push((await instance.answer()).text);
  assert.strictEqual(texts.join(''), '12345678');
};

tests['an alias belongs to its call'] = async (scene) => {
  const instance = await scene.loaded(`exports.handler = async (event, context) =>
    [event, context.alias, context.getAlias(), context.requestID.length];`);
  for (const alias of ['prod', '', 'a'.repeat(63)]) {
    const answer = await (alias ? instance.callAs(alias, '\u017e') : instance.call('\u017e'));
    assert.deepStrictEqual(answer.json, ['\u017e', alias, alias, 36]);
  }
};

tests['context'] = async (scene) => {
  const instance = await scene.loaded(`
    exports.handler = (event, context) => { context.mine = 1; while (event === 'spin' && context.getRemainingTimeInMilliSeconds() > 0);
      return [context.getAlias(), context.getRunningTimeInSeconds(), context.getMemorySize(), context.getCPUNumber(),
        context.getUserData('toString') === undefined, context.getUserData('no', 'else'), context.getInvokeID() === context.requestID,
        context.getState(), context.getRemainingTimeInMilliSeconds() >= 0, process.env.RUNTIME_X, require.main === module,
        process.argv[1], typeof context.startTime]; };`, { alias: 'prod', timeout_ms: 1, env: { RUNTIME_X: '1' } });
  assert.deepStrictEqual((await instance.call('spin')).json, ['prod', 1, '128', '300', true, 'else', true, null, true, '1', false,
    path.join(scene.folder, 'index.js'), 'number']);
};

async function runOne(node, name) {
  const scene = new Scene(node);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, GIVE_UP_MS, new Error('the bootstrap does not answer'));
  });
  try {
    await Promise.race([tests[name](scene), late]);
    return true;
  } catch (error) {
    console.log(`FAILED ${scene.version} ${name}\n${error.stack}`);
    return false;
  } finally {
    clearTimeout(timer);
    await scene.clear();
  }
}

async function main() {
  const nodes = (process.env.FUNGRAPH_TEST_NODES || process.execPath).split(':');
  let passed = 0;
  let failures = 0;
  for (const node of nodes) {
    for (const name of Object.keys(tests).filter((each) => each.includes(process.argv[2] || ''))) {
      if (await runOne(node, name)) passed += 1;
      else failures += 1;
    }
  }
  console.log(`${passed} passed, ${failures} failed`);
  process.exit(failures > 0 ? 1 : 0);
}

main();
