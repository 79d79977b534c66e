// Answers an HTTP request that a gateway trigger hands on.
exports.handler = (event, context, callback) => {
  const body = event.isBase64Encoded ? Buffer.from(event.body || '', 'base64').toString() : event.body || '';
  const name = (event.queryStringParameters || {}).name || 'world';
  callback(null, {
    statusCode: 200,
    headers: { 'Content-Type': 'text/plain' },
    isBase64Encoded: false,
    body: `Hello, ${name}! You sent ${body.length} characters.`,
  });
};
