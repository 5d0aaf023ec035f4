export interface RegistryPlaces {
  readonly registry?: string;
  readonly auth?: string;
}
export declare function digestOf(name: string, tag: string, places?: RegistryPlaces): Promise<string>;
export declare function pin(
  text: string,
  places?: RegistryPlaces,
): Promise<{ readonly pinned: string; readonly changes: readonly string[] }>;
