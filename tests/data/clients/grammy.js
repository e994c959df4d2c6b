// grammY, as its examples write it.
const { Bot } = require("grammy");

const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API } });
bot.on("message:text", (ctx) => ctx.reply(ctx.message.text));
bot.start();
process.once("SIGTERM", () => bot.stop());
