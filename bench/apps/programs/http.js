// A web server as an http function has it: on port 8000, or where the measurement wants it.
const http = require("http");
const { answer } = require("./answer.js");

http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    response.setHeader("Content-Type", "application/json");
    response.end(answer(JSON.parse(Buffer.concat(chunks).toString())));
  });
}).listen(Number(process.env.PORT ?? 8000), "127.0.0.1");
