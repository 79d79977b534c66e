// A function that does what it is told, all of it bad. `calls` tells a fresh instance from one that has served before.
const { execFileSync, spawn, spawnSync } = require('child_process');
const fs = require('fs');

let calls = 0;
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const block = (seconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);

/** length, call, code, kind RESULT, form text */
function result(call, text) {
  const frame = Buffer.alloc(12 + text.length);
  frame.writeUInt32LE(text.length, 0);
  frame.writeUInt32LE(call, 4);
  frame[10] = 68;
  frame[11] = 1;
  frame.write(text, 12);
  return frame;
}

const deeds = {
  count: () => calls,

  /** Children that ignore being asked to leave, one in a session of its own, and a function that does the same. */
  async tree({ mark }) {
    process.on('SIGTERM', () => {});
    spawn('sh', ['-c', `trap '' TERM; setsid sleep ${mark} & sleep ${mark}`], { stdio: 'inherit' });
    await sleep(60);
  },

  hog: () => Buffer.alloc(400 << 20, 1).length,

  /** Not V8's own limit: what it may take follows the host's memory. */
  heap() {
    const all = [];
    for (;;) all.push(new Array(1000).fill(all.length));
  },

  hog_child() {
    const child = spawnSync(process.execPath, ['-e', 'Buffer.alloc(400 << 20, 1)']);
    return child.signal === 'SIGKILL' ? -9 : child.status;
  },

  leave: () => process.exit(3),

  async hurt({ signal, linger = 20 }) {
    process.kill(process.pid, signal);
    await sleep(linger);
    return 'survived';
  },

  abort: () => process.abort(),

  async close() {
    fs.closeSync(3);
    await sleep(20);
  },

  async garbage() {
    fs.writeSync(3, Buffer.alloc(64, 0xff));
    await sleep(20);
  },

  async forge() {
    fs.writeSync(3, result(999, 'no'));
    await sleep(20);
  },

  /** An answer to this very call, behind the bootstrap's back; its own is then the second. */
  twice() {
    fs.writeSync(3, result(calls, 'first'));
    return 'second';
  },

  endless() {
    for (;;) console.log('x'.repeat(1000));
  },

  endless_child() {
    execFileSync('yes', ['y'.repeat(1000)], { stdio: 'inherit' });
  },

  endless_line() {
    for (;;) process.stdout.write('x'.repeat(65536));
  },

  storm() {
    let started = 0;
    for (;;) {
      const child = spawnChild();
      if (child.pid === undefined) return [started, 'refused'];
      started += 1;
    }
  },

  fill() {
    const file = fs.openSync('/tmp/full', 'w');
    for (;;) fs.writeSync(file, Buffer.alloc(1 << 20));
  },

  /** Answers at once, and goes on printing. */
  linger() {
    setInterval(() => console.log('beside '.repeat(20)), 1);
    return calls;
  },

  async slowly() {
    await sleep(1);
    console.log('to the end');
  },

  /** Grandchildren whose parent leaves before them, more than the limit on processes allows to be kept as zombies. */
  orphans({ times }) {
    for (let time = 0; time < times; time += 1) {
      execFileSync('sh', ['-c', 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do true & done']);
    }
    return calls;
  },

  limits() {
    const line = fs.readFileSync('/proc/self/limits', 'utf8').split('\n').find((one) => one.startsWith('Max address'));
    return line.trim().split(/\s+/).slice(-3);
  },
};

function spawnChild() {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  child.on('error', () => {});
  return child;
}

exports.handler = async (event, context) => {
  calls += 1;
  return deeds[event.do](event);
};

/** The old form: a function that gets a callback, and calls it more often, or later, than it should. */
exports.called = (event, context, callback) => {
  calls += 1;
  if (event.do === 'count') return callback(null, calls);
  if (event.do === 'late') return setTimeout(() => callback(null, 'late'), 3500);
  callback(null, 'first');
  callback(null, 'second');
  callback(new Error('third'));
  setImmediate(() => callback(null, 'fourth'));
};
