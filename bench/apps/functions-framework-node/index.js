// The measured handler in the form that functions-framework wants.
exports.handler = (request, response) => {
  const event = request.body ?? {};
  response.json({ message: `hello ${event.name ?? "nobody"}`, length: Object.keys(event).length });
};
