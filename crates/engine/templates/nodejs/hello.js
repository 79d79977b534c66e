// Says hello to whoever the event names.
exports.handler = (event, context, callback) => {
  const name = event.name || 'world';
  context.getLogger().info(`saying hello to ${name}`);
  callback(null, `Hello, ${name}!`);
};
