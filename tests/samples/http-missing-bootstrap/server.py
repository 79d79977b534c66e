print("nobody starts me")
