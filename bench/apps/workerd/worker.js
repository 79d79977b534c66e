// The measured handler in the form that workerd wants.
export default {
  async fetch(request) {
    const event = await request.json();
    return Response.json({ message: `hello ${event.name ?? "nobody"}`, length: Object.keys(event).length });
  },
};
