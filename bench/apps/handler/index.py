# The function that is measured: what fungraph runs, and what the bare loop imports.
def handler(event, context):
    return {"message": "hello " + event.get("name", "nobody"), "length": len(event)}
