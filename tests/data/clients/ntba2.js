// node-telegram-bot-api 2, as its examples write it.
const { Bot } = require("node-telegram-bot-api");
const { run } = require("node-telegram-bot-api/node");

const bot = new Bot(process.env.BOT_TOKEN, { apiRoot: process.env.API });
bot.on("message", (ctx) => ctx.reply(ctx.message.text));
run(bot);
