// A stand-in for a coding agent: reads the message on standard input and prints what it would do.
import { text } from 'node:stream/consumers';

const message = await text(process.stdin);
console.log(`I was asked: ${message.trim()}`);
console.log('Nothing to complain about.');
