# The measured handler in the form that functions-framework wants.
def handler(request):
    event = request.get_json()
    return {"message": "hello " + event.get("name", "nobody"), "length": len(event)}
