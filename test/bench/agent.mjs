export async function benchAgent() {
  return [];
}
