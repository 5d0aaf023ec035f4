// Your own OpenTelemetry SDK, loaded before the app: node --import ./sdk.js app.js
//
// With these two processors in it, tasktrail's spans go through this SDK, and every span and log record inside a task
// (HTTP, database, your own) gets the task's id and a place in its directory. Your own exporters stand beside them: add a
// BatchSpanProcessor for the backend that you have.
import { NodeSDK } from '@opentelemetry/sdk-node';
import { logRecordProcessor, spanProcessor } from 'tasktrail';

const sdk = new NodeSDK({
  serviceName: 'review-bot',
  spanProcessors: [spanProcessor()],
  logRecordProcessors: [logRecordProcessor()],
  instrumentations: [],
});
sdk.start();
