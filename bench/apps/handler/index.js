// The function that is measured: what fungraph runs, and what the bare loop requires.
exports.handler = async (event, context) => ({
  message: `hello ${event.name ?? "nobody"}`,
  length: Object.keys(event).length,
});
