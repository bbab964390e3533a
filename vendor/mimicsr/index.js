module.exports = require('../../dist');
