"""A bot that prints whatever its users write, in the ways that bots do. It needs no library."""

import json
import os
import urllib.request

URL = f"{os.environ['API']}/bot{os.environ['BOT_TOKEN']}/getUpdates?timeout=5&offset="
offset = 0
while True:
    with urllib.request.urlopen(URL + str(offset)) as answer:
        updates = json.load(answer)["result"]
    for update in updates:
        offset = update["update_id"] + 1
        text = update["message"]["text"]
        if text == "/end":
            print("END", flush=True)
            raise SystemExit
        print(text)
        print("user 42:", text)
        print(json.dumps({"user": 42, "text": text}, ensure_ascii=False), flush=True)
