// Runs each time its timer fires. What the timer carries is a text, even where it holds JSON.
exports.handler = (event, context, callback) => {
  context.getLogger().info(`fired at ${event.time}`);
  callback(null, `${event.trigger_name} did: ${event.user_event}`);
};
