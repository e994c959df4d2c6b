// telegraf 4, as its examples write it.
const { Telegraf } = require("telegraf");

const bot = new Telegraf(process.env.BOT_TOKEN, { telegram: { apiRoot: process.env.API } });
bot.on("text", (ctx) => ctx.reply(ctx.message.text));
bot.launch();
process.once("SIGTERM", () => bot.stop("SIGTERM"));
