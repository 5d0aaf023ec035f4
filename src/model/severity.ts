const NAMES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

/** Each name has four numbers. */
const NUMBERS_A_NAME = 4;

/**
 * The short name of a SeverityNumber (OpenTelemetry logs data model, "Displaying Severity"): 17 is `ERROR`, 18 `ERROR2`.
 * Undefined for 0, which means that it is not specified, and for numbers that the model does not have.
 */
export function severityName(number: number): string | undefined {
  if (!Number.isInteger(number) || number < 1) return undefined;
  const name = NAMES[Math.floor((number - 1) / NUMBERS_A_NAME)];
  const step = ((number - 1) % NUMBERS_A_NAME) + 1;
  return name === undefined || step === 1 ? name : `${name}${step}`;
}
