import type { BindingFact, ModuleFacts } from "./moduleFacts.ts";
import { stateReason } from "./moduleFacts.ts";

/** A binding of some module in the graph. */
export interface ResolvedBinding {
  readonly path: string;
  readonly local: string;
}

export interface FactsSource {
  facts(path: string): ModuleFacts;
  /** Follows imports and re-exports; null for globals, namespaces and what cannot be told. */
  resolveLocal(path: string, local: string): ResolvedBinding | null;
}

/**
 * Why a module keeps state between calls, so that its instances may not be re-used; null if nothing says so.
 */
export function findModuleState(path: string, source: FactsSource): string | null {
  const facts = source.facts(path);
  if (facts.reasons.length > 0) return facts.reasons[0]!;
  for (const use of facts.importUses) {
    const target = source.resolveLocal(path, use.local);
    const fact = target && source.facts(target.path).bindings.get(target.local);
    if (!fact) continue;
    const reason = use.kind === "assign" ? null : stateReason(use.local, fact, use, false);
    if (reason !== null) return reason;
    if (
      (fact.kind === "instance" || fact.kind === "result") &&
      fact.maker !== null &&
      target &&
      makesState(target.path, fact.maker, source, 0)
    ) {
      return `\`${use.local}\` comes from \`${fact.maker}\`, which keeps state`;
    }
  }
  for (const held of facts.heldResults) {
    if (makesState(path, held.maker, source, 0)) {
      return `\`${held.local}\` comes from \`${held.maker}\`, which keeps state`;
    }
  }
  return null;
}

/** Whether instances of a class, or closures made by a function, change themselves. */
function makesState(path: string, maker: string, source: FactsSource, hops: number): boolean {
  if (hops > 16) return false;
  const target = source.resolveLocal(path, maker);
  if (target === null) return false;
  const fact: BindingFact | undefined = source.facts(target.path).bindings.get(target.local);
  if (!fact) return false;
  if (fact.makesState) return true;
  return fact.superClass !== null && makesState(target.path, fact.superClass, source, hops + 1);
}
