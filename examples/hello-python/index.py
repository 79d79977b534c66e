"""Says hello. Run it with: fungraph invoke examples/hello-python --data '{"name": "Ada"}'"""


def handler(event, context):
    name = event.get("name", "world")
    context.getLogger().info(f"saying hello to {name}")
    return {"message": f"Hello, {name}!", "request": context.getRequestID()}
