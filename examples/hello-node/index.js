// Says hello. Run it with: fungraph invoke examples/hello-node --data '{"name": "Ada"}'

exports.handler = async (event, context) => {
    const name = event.name || 'world';
    context.getLogger().info(`saying hello to ${name}`);
    return { message: `Hello, ${name}!`, request: context.getRequestID() };
};
