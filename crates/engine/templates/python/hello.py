"""Says hello to whoever the event names."""


def handler(event, context):
    name = event.get("name", "world")
    context.getLogger().info("saying hello to %s" % name)
    return "Hello, %s!" % name
