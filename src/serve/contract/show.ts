import { sendJson } from '../json-response.ts';
import { checkNoQuery } from '../query.ts';
import type { Answer, Methods } from '../routes.ts';

export interface OpenApiPlace {
  /** Of the program; shown as the version of the API. */
  readonly version: string;
  /** Whether webhooks, health and metrics are served at the root, too. */
  readonly isService: boolean;
}

/** `/openapi.json`: made when it is first asked for. */
export function openApiRoutes(place: OpenApiPlace, hasToken: boolean): Readonly<Record<string, Methods>> {
  const show: Answer = async (req, res) => {
    checkNoQuery(req);
    const { openApiDocument } = await import('./openapi.ts');
    sendJson(res, {
      status: 200,
      value: openApiDocument({ ...place, hasToken, mount: req.baseUrl }),
    });
  };
  return { '/openapi.json': { GET: show } };
}
