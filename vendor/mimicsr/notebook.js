module.exports = require('../../dist/notebook');
