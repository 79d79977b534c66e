"""Runs each time its timer fires. What the timer carries is a text, even where it holds JSON."""


def handler(event, context):
    context.getLogger().info("fired at %s" % event["time"])
    return "%s did: %s" % (event["trigger_name"], event["user_event"])
