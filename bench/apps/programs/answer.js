// What every program of the measurement answers to an event.
exports.answer = (event) => JSON.stringify({ message: `hello ${event.name ?? "nobody"}`, length: Object.keys(event).length });
