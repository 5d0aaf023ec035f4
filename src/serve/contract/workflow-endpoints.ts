import { z } from 'zod';
import { feedStreamQuery, streamQuery } from '../stream/stream-query.ts';
import { feedQuery, workflowEventsQuery, workflowListQuery } from '../workflow-query.ts';
import { type Endpoint, json } from './endpoint.ts';
import { STREAM_ERRORS, streamAnswers } from './task-endpoints.ts';
import {
  eventPage,
  feedEvents,
  workflow,
  workflowEvent,
  workflowEvents,
  workflowPage,
} from './workflow-shapes.ts';

const OF_WORKFLOW = ['ERR_ID_INVALID', 'ERR_NOT_FOUND'] as const;

/** Paths below `/api/workflows` and `/api/events`, in the order of `docs/rest.md`. */
export const WORKFLOW_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'listWorkflows',
    method: 'GET',
    path: '/api/workflows',
    summary: 'List workflows',
    query: workflowListQuery,
    answer: '`{items, next_cursor}`: workflows, newest first',
    answers: { 200: json('a page of workflows', workflowPage) },
    paging: 'cursor',
  },
  {
    name: 'getWorkflow',
    method: 'GET',
    path: '/api/workflows/{id}',
    summary: 'One workflow',
    answer: 'where it stands, its events and, once it has ended, its document; also while it runs',
    answers: { 200: json('the workflow', workflow) },
    errors: OF_WORKFLOW,
  },
  {
    name: 'getWorkflowEvents',
    method: 'GET',
    path: '/api/workflows/{id}/events',
    summary: 'The events of a workflow',
    query: workflowEventsQuery,
    answer: 'an array of its events',
    answers: { 200: json('the events', z.array(workflowEvent)) },
    errors: OF_WORKFLOW,
  },
  {
    name: 'streamWorkflow',
    method: 'GET',
    path: '/api/workflows/{id}/stream',
    summary: 'Follow a workflow',
    query: streamQuery,
    answer: 'server-sent events: its state and its events',
    answers: streamAnswers(workflowEvents),
    errors: [...OF_WORKFLOW, 'ERR_NOT_CONFIGURED'],
    ...STREAM_ERRORS,
  },
  {
    name: 'streamEvents',
    method: 'GET',
    path: '/api/events/stream',
    summary: 'Follow the events of all workflows',
    query: feedStreamQuery,
    answer: 'server-sent events: the events of all workflows; `after=now` only those that come',
    answers: streamAnswers(feedEvents),
    errors: ['ERR_NOT_CONFIGURED'],
    ...STREAM_ERRORS,
  },
  {
    name: 'listEvents',
    method: 'GET',
    path: '/api/events',
    summary: 'The events of all workflows',
    query: feedQuery,
    answer: '`{items, next_cursor}`: events of all workflows, in the order of storing',
    answers: { 200: json('a page of events', eventPage) },
    errors: ['ERR_GONE', 'ERR_NOT_CONFIGURED'],
    paging: 'after',
  },
];
