// The bare limit: frames of a length and JSON on descriptor 0, one at a time, nothing else. Started with the handler's folder.
"use strict";
const net = require("net");
const path = require("path");
const { handler } = require(path.resolve(process.argv[2], "index.js"));

const link = new net.Socket({ fd: 0, readable: true, writable: true });
let data = Buffer.alloc(0);

link.on("data", async (more) => {
  data = data.length ? Buffer.concat([data, more]) : more;
  while (data.length >= 4) {
    const end = 4 + data.readUInt32LE(0);
    if (data.length < end) return;
    const event = JSON.parse(data.toString("utf8", 4, end));
    data = data.subarray(end);
    const body = JSON.stringify(await handler(event, null));
    const frame = Buffer.allocUnsafe(4 + Buffer.byteLength(body));
    frame.writeUInt32LE(frame.length - 4, 0);
    frame.write(body, 4);
    link.write(frame);
  }
});
link.on("end", () => process.exit(0));
