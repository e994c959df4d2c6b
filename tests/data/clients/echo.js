// A bot that prints whatever its users write, in the ways that bots do. It needs no library.
const url = `${process.env.API}/bot${process.env.BOT_TOKEN}/getUpdates?timeout=5&offset=`;

async function main() {
  for (let offset = 0; ; ) {
    const { result } = await (await fetch(url + offset)).json();
    for (const update of result) {
      offset = update.update_id + 1;
      const text = update.message.text;
      if (text === "/end") {
        console.log("END");
        return;
      }
      console.log(text);
      console.log("[user 42]", text);
      console.log({ user: 42, text });
    }
  }
}
main();
