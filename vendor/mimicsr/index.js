module.exports = require("../../dist");
