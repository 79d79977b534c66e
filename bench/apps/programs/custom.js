// A Custom function: asks for events and answers them, over one connection that it keeps.
const http = require("http");
const { answer } = require("./answer.js");

const [host, port] = process.env.RUNTIME_API_ADDR.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body, done) {
  const request = http.request({ host, port, agent, method, path: `/v1/runtime/invocation/${path}` }, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("end", () => done(response, Buffer.concat(chunks)));
  });
  request.end(body);
}

function next() {
  call("GET", "request", undefined, (response, event) => {
    const id = response.headers["x-cff-request-id"];
    if (id === undefined) return next();
    call("POST", `response/${id}`, answer(JSON.parse(event.toString())), next);
  });
}

next();
