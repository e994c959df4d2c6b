// node-telegram-bot-api 0.66, as its examples write it.
const TelegramBot = require("node-telegram-bot-api-0.66");

const bot = new TelegramBot(process.env.BOT_TOKEN, { polling: true, baseApiUrl: process.env.API });
bot.on("message", (message) => bot.sendMessage(message.chat.id, message.text));
