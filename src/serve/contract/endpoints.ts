import { z } from 'zod';
import { type Endpoint, json } from './endpoint.ts';
import { NOTIFICATION_ENDPOINTS } from './notification-endpoints.ts';
import { health, healthReport, readiness, webhookAnswer } from './service-shapes.ts';
import { TASK_ENDPOINTS } from './task-endpoints.ts';
import { WORKFLOW_ENDPOINTS } from './workflow-endpoints.ts';

/** Paths of the service that are not below `/api`, and the OpenAPI document itself. */
const SERVICE_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'getHealthReport',
    method: 'GET',
    path: '/api/health',
    summary: 'Readiness, counters, queue and disk',
    answer:
      'what `/readyz` says, always with 200; `queue` (how many tasks wait and run, and the task that waits longest) and `disk` (free bytes, and those of the journal), each `null` where there is none',
    answers: { 200: json('how the process is', healthReport) },
    errors: ['ERR_NOT_CONFIGURED'],
  },
  {
    name: 'getOpenApi',
    method: 'GET',
    path: '/api/openapi.json',
    summary: 'This document',
    answer: 'the OpenAPI 3.1 document of this API ([OpenAPI](#openapi))',
    answers: { 200: json('the OpenAPI document', z.looseObject({ openapi: z.string() })) },
  },
  {
    name: 'receiveWebhook',
    method: 'POST',
    path: '/webhooks/{name}',
    summary: 'A delivery of a webhook',
    answer:
      'for `github`, `jira`, `slack` and the senders of the configuration: 202 accepted, 200 nothing to do or already known, 400 malformed, 401 bad signature, 413 too large, 503 no secret or no queue',
    answers: {
      200: json('nothing to do, or already known', webhookAnswer),
      202: json('accepted', webhookAnswer),
    },
    errors: [
      'ERR_INPUT_INVALID',
      'ERR_SIGNATURE_INVALID',
      'ERR_NOT_FOUND',
      'ERR_TOO_LARGE',
      'ERR_ENCODING_UNSUPPORTED',
      'ERR_TYPE_UNSUPPORTED',
      'ERR_NOT_CONFIGURED',
      'ERR_QUEUE_UNAVAILABLE',
      'ERR_STORE_UNAVAILABLE',
    ],
    otherErrors: { 408: 'ERR_INPUT_INVALID' },
    isOpen: true,
  },
  {
    name: 'callMcp',
    method: 'POST',
    path: '/mcp',
    summary: 'The Model Context Protocol',
    answer:
      'the Model Context Protocol over streamable HTTP, for coding assistants ([tools](mcp.md)); it only reads; 400 a batch, 403 a page of another origin, 503 too many requests',
    answers: {},
    isOtherProtocol: true,
  },
  {
    name: 'getHealth',
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the process answers',
    answer: '200 while the process answers; needs no token',
    answers: { 200: json('it answers', health) },
    isOpen: true,
  },
  {
    name: 'getReadiness',
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the process is ready, and its counters',
    answer:
      '200 `ready`, or 503 `not_ready` with the reason of each part; `notices`, the counts in `books`; needs no token',
    answers: { 200: json('ready', readiness), 503: json('not ready', readiness) },
    isOpen: true,
  },
  {
    name: 'getMetrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Counters and gauges',
    answer: 'counters and gauges in the text format of Prometheus',
    answers: { 200: { description: 'the text format 0.0.4 of Prometheus', content: { text: 'text/plain' } } },
  },
];

/**
 * All requests that the service answers: the one source of `docs/rest.md`, of the OpenAPI document and of the client. A test
 * compares them with the routes of the running service.
 */
export const ENDPOINTS: readonly Endpoint[] = [
  ...TASK_ENDPOINTS,
  ...WORKFLOW_ENDPOINTS,
  ...NOTIFICATION_ENDPOINTS,
  ...SERVICE_ENDPOINTS,
];
