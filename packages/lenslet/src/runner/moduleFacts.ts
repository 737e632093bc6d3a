import type { AnyNode, Identifier } from "acorn";
import { defaultLocal } from "./moduleSyntax.ts";
import type { ParsedModule } from "./moduleSyntax.ts";
import { analyseScopes } from "./scope.ts";
import type { Binding, Reference, ScopeAnalysis } from "./scope.ts";

/**
 * What one module's text tells about state that outlives a call. Names are local to the module; statefulness.ts
 * resolves imports across the graph. It is a heuristic: aliases and helpers that mutate their arguments escape it.
 */
export interface ModuleFacts {
  /** Reasons that need no other module, e.g. "`count` is assigned in a function". */
  readonly reasons: readonly string[];
  /** Changes, made inside functions, of imported bindings. */
  readonly importUses: readonly BindingUse[];
  readonly bindings: ReadonlyMap<string, BindingFact>;
  /** Names of instances and results of calls that functions refer to; stateful if their maker is. */
  readonly heldResults: readonly HeldResult[];
  /** Globals this module may change, as paths such as "globalThis" or "Array.prototype". */
  readonly changedGlobals: ReadonlySet<string>;
  /** Top-level bindings that may change after the evaluation: importers must not copy them. */
  readonly reassigned: ReadonlySet<string>;
}

export interface BindingUse {
  readonly local: string;
  readonly kind: UseKind;
  readonly member: string | null;
  /** Number of member accesses: 1 for `x.push()`, 2 for `x.items.push()`. */
  readonly chain: number;
}
type UseKind = "assign" | "memberAssign" | "call" | "methodCall" | "read" | "escape" | "argument";

export interface BindingFact {
  readonly kind:
    "array" | "collection" | "object" | "regexp" | "instance" | "class" | "function" | "result" | "other";
  /** Methods an object literal defines itself. */
  readonly methods: ReadonlySet<string>;
  /** Local name of the class or function that made it, for "instance" and "result". */
  readonly maker: string | null;
  /** A class whose methods change `this`, or a function that returns closures over variables they change. */
  readonly makesState: boolean;
  readonly superClass: string | null;
}

export interface HeldResult {
  readonly local: string;
  readonly maker: string;
  readonly how: "new" | "call";
}

const mutatingMethods: ReadonlySet<string> = new Set(
  (
    "add set delete clear push pop shift unshift splice sort reverse fill copyWithin append remove insert enqueue " +
    "dequeue update increment put store register subscribe on once emit write setPrototypeOf"
  ).split(" "),
);
const collectionClasses: ReadonlySet<string> = new Set(["Map", "Set", "WeakMap", "WeakSet"]);
const arrayClasses: ReadonlySet<string> = new Set([
  "Array",
  "Uint8Array",
  "Uint16Array",
  "Uint32Array",
  "Int8Array",
  "Int16Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "DataView",
]);
const objectMutators: ReadonlySet<string> = new Set([
  "assign",
  "defineProperty",
  "defineProperties",
  "setPrototypeOf",
]);

export function collectFacts(module: ParsedModule, lazyWrappers: ReadonlySet<string>): ModuleFacts {
  const scopes = analyseScopes(module.program, lazyWrappers);
  const uses = scopes.references.map((reference) => ({ reference, use: useOf(reference.node, scopes) }));
  const mutatedAtTop = new Set<Binding>();
  for (const { reference, use } of uses) {
    const { binding } = reference;
    // Given to a function at the top level, a container may be filled there: esbuild's `__export(namespace, {...})`.
    if (binding && reference.depth === 0 && (mutates(use) || use.kind === "argument"))
      mutatedAtTop.add(binding);
  }
  const statefulClosures = findStatefulClosures(uses);
  const statefulHolders = findStatefulHolders(scopes);
  const facts = new Map<Binding, BindingFact>();
  for (const binding of scopes.bindings) {
    if (binding.depth === 0) facts.set(binding, factOf(binding, statefulClosures, statefulHolders));
  }

  const reasons = new Set<string>();
  const importUses: BindingUse[] = [];
  const held = new Map<Binding, HeldResult>();
  const changedGlobals = new Set<string>();
  const reassigned = new Set<string>();
  for (const { reference, use } of uses) {
    const { binding } = reference;
    if (binding === null) {
      collectGlobalUse(reference.node, use, scopes, changedGlobals);
      continue;
    }
    if (binding.isModuleScope && use.kind === "assign" && reference.inFunction) reassigned.add(binding.name);
    if (binding.depth === 0 && reference.depth > 0) {
      if (binding.kind === "import") {
        importUses.push({ ...use, local: binding.name });
        continue;
      }
      const fact = facts.get(binding);
      if (!fact) continue;
      const reason = stateReason(
        binding.name,
        fact,
        use,
        !mutatedAtTop.has(binding) && isEmpty(binding.init),
      );
      if (reason !== null) reasons.add(reason);
      if (fact.maker !== null && (fact.kind === "instance" || fact.kind === "result")) {
        held.set(binding, {
          local: binding.name,
          maker: fact.maker,
          how: fact.kind === "instance" ? "new" : "call",
        });
      }
    }
  }
  for (const holder of statefulHolders.statics) reasons.add(`static fields of \`${holder}\` change`);

  const bindings = new Map<string, BindingFact>();
  for (const [binding, fact] of facts) if (binding.isModuleScope) bindings.set(binding.name, fact);
  return {
    reasons: [...reasons],
    importUses,
    bindings,
    heldResults: [...held.values()],
    changedGlobals,
    reassigned,
  };
}

type Use = Omit<BindingUse, "local">;

function mutates(use: Use): boolean {
  if (use.kind === "assign" || use.kind === "memberAssign") return true;
  return use.kind === "methodCall" && use.member !== null && mutatingMethods.has(use.member);
}

/** Why a use inside a function means state; null if it does not. `emptyStart`: only functions could have filled it. */
export function stateReason(name: string, fact: BindingFact, use: Use, emptyStart: boolean): string | null {
  if (use.kind === "assign") return `\`${name}\` is assigned in a function`;
  if (use.kind === "memberAssign") return `\`${name}\` is changed in a function`;
  if (fact.kind === "object" && fact.makesState) return `methods of \`${name}\` change it`;
  if (use.kind === "methodCall" && use.member !== null) {
    if (fact.kind === "regexp" && (use.member === "test" || use.member === "exec")) {
      return `\`${name}\` keeps its lastIndex`;
    }
    const ownMethod = use.chain === 1 && fact.methods.has(use.member);
    const container = fact.kind === "array" || fact.kind === "collection" || fact.kind === "object";
    if (container && !ownMethod && mutatingMethods.has(use.member)) {
      return `\`${name}.${use.member}()\` is called in a function`;
    }
  }
  const fillable = fact.kind === "array" || fact.kind === "collection" || fact.kind === "object";
  const givenAway = use.kind === "escape" || use.kind === "argument";
  if (givenAway && emptyStart && fillable) return `\`${name}\` may be filled by a function`;
  return null;
}

function isEmpty(init: AnyNode | null): boolean {
  if (init === null) return false;
  if (init.type === "ArrayExpression") return init.elements.length === 0;
  if (init.type === "ObjectExpression") return init.properties.length === 0;
  return init.type === "NewExpression" && init.arguments.length === 0;
}

/** How an identifier (or `this`) is used, following its member chain outwards. */
function useOf(start: AnyNode, scopes: ScopeAnalysis): Use {
  let node = start;
  let chain = 0;
  let member: string | null = null;
  for (;;) {
    const parent = scopes.parents.get(node);
    if (!parent) return { kind: "read", member, chain };
    if (parent.type === "MemberExpression" && parent.object === node) {
      chain++;
      member = memberName(parent);
      node = parent;
      continue;
    }
    if (parent.type === "ChainExpression" || parent.type === "ParenthesizedExpression") {
      node = parent;
      continue;
    }
    const kind = roleIn(parent, node, chain, scopes);
    return { kind, member, chain };
  }
}

function memberName(node: AnyNode & { type: "MemberExpression" }): string | null {
  if (!node.computed && node.property.type === "Identifier") return node.property.name;
  if (node.property.type === "PrivateIdentifier") return `#${node.property.name}`;
  return node.property.type === "Literal" ? String(node.property.value) : null;
}

function roleIn(parent: AnyNode, node: AnyNode, chain: number, scopes: ScopeAnalysis): UseKind {
  if (isTarget(parent, node, scopes)) return chain === 0 ? "assign" : "memberAssign";
  if (parent.type === "UnaryExpression" && parent.operator === "delete") return "memberAssign";
  if (parent.type === "CallExpression" && parent.callee === node) return chain === 0 ? "call" : "methodCall";
  if (parent.type === "CallExpression" && parent.arguments[0] === node && isObjectMutator(parent.callee)) {
    return "memberAssign";
  }
  const isArgument = parent.type === "CallExpression" || parent.type === "NewExpression";
  if (isArgument && chain === 0) return "argument";
  const escapes =
    parent.type === "VariableDeclarator" ||
    parent.type === "AssignmentExpression" ||
    parent.type === "Property" ||
    parent.type === "ReturnStatement" ||
    parent.type === "ArrowFunctionExpression";
  return escapes && chain === 0 ? "escape" : "read";
}

function isTarget(parent: AnyNode, node: AnyNode, scopes: ScopeAnalysis): boolean {
  switch (parent.type) {
    case "AssignmentExpression":
      return parent.left === node;
    case "UpdateExpression":
      return true;
    case "ForInStatement":
    case "ForOfStatement":
      return parent.left === node;
    case "AssignmentPattern":
      return parent.left === node && isPatternTarget(parent, scopes);
    case "ArrayPattern":
    case "RestElement":
      return isPatternTarget(parent, scopes);
    case "Property": {
      const object = scopes.parents.get(parent);
      return parent.value === node && object?.type === "ObjectPattern" && isPatternTarget(object, scopes);
    }
    default:
      return false;
  }
}

/** A pattern on the left of an assignment (declarations never reach here: their names are no references). */
function isPatternTarget(pattern: AnyNode, scopes: ScopeAnalysis): boolean {
  const parent = scopes.parents.get(pattern);
  if (!parent) return false;
  if (parent.type === "AssignmentExpression" || parent.type === "ForOfStatement")
    return parent.left === pattern;
  return isTarget(parent, pattern, scopes);
}

function isObjectMutator(callee: AnyNode): boolean {
  if (callee.type !== "MemberExpression" || callee.object.type !== "Identifier") return false;
  const holder = callee.object.name;
  const name = memberName(callee);
  if (name === null) return false;
  return (
    (holder === "Object" && objectMutators.has(name)) ||
    (holder === "Reflect" && (objectMutators.has(name) || name === "set"))
  );
}

/** Functions with a variable that a function inside them changes. */
function findStatefulClosures(uses: readonly { reference: Reference; use: Use }[]): Set<AnyNode> {
  const found = new Set<AnyNode>();
  for (const { reference, use } of uses) {
    const { binding } = reference;
    if (binding?.owner && binding.depth > 0 && reference.depth > binding.depth && mutates(use)) {
      found.add(binding.owner);
    }
  }
  return found;
}

/** Classes and object literals whose methods change `this`. */
function findStatefulHolders(scopes: ScopeAnalysis): { holders: Set<AnyNode>; statics: Set<string> } {
  const holders = new Set<AnyNode>();
  const statics = new Set<string>();
  for (const { node, holder, inConstructor } of scopes.thisUses) {
    if (inConstructor) continue;
    const use = useOf(node, scopes);
    const changes =
      use.kind === "memberAssign" ||
      (use.kind === "methodCall" && use.chain > 1 && use.member !== null && mutatingMethods.has(use.member));
    if (!changes) continue;
    if (isInStaticMethod(node, holder, scopes)) statics.add(className(holder));
    else holders.add(holder);
  }
  return { holders, statics };
}

function isInStaticMethod(node: AnyNode, holder: AnyNode, scopes: ScopeAnalysis): boolean {
  for (let at = scopes.parents.get(node); at && at !== holder; at = scopes.parents.get(at)) {
    if (at.type === "MethodDefinition") return at.static;
  }
  return false;
}

function className(node: AnyNode): string {
  return (node.type === "ClassDeclaration" || node.type === "ClassExpression") && node.id
    ? node.id.name
    : "class";
}

function factOf(
  binding: Binding,
  closures: ReadonlySet<AnyNode>,
  { holders }: { holders: ReadonlySet<AnyNode> },
): BindingFact {
  const fact = { kind: "other" as BindingFact["kind"], maker: null as string | null, makesState: false };
  let methods: ReadonlySet<string> = new Set();
  let superClass: string | null = null;
  const init = unwrapInit(binding.init);
  switch (init?.type) {
    case "ArrayExpression":
      fact.kind = "array";
      break;
    case "ObjectExpression":
      fact.kind = "object";
      fact.makesState = holders.has(init);
      methods = new Set(
        init.properties.flatMap((property) =>
          property.type === "Property" && property.key.type === "Identifier" ? [property.key.name] : [],
        ),
      );
      break;
    case "Literal":
      if ("regex" in init && init.regex && /[gy]/.test(init.regex.flags)) fact.kind = "regexp";
      break;
    case "NewExpression":
    case "CallExpression": {
      const name = init.callee.type === "Identifier" ? init.callee.name : null;
      if (name !== null && collectionClasses.has(name)) fact.kind = "collection";
      else if (name !== null && arrayClasses.has(name)) fact.kind = "array";
      else if (init.type === "NewExpression") fact.kind = "instance";
      else fact.kind = "result";
      fact.maker = name;
      break;
    }
    case "ClassDeclaration":
    case "ClassExpression":
      fact.kind = "class";
      fact.makesState = holders.has(init);
      superClass = init.superClass?.type === "Identifier" ? init.superClass.name : null;
      break;
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      fact.kind = "function";
      fact.makesState = closures.has(init);
      break;
    default:
      break;
  }
  return { ...fact, methods, superClass };
}

/** Looks through keepNames' `name(fn, "original")`. */
function unwrapInit(init: AnyNode | null): AnyNode | null {
  if (init?.type !== "CallExpression" || init.arguments.length !== 2) return init;
  const [value, name] = init.arguments;
  const isName = name?.type === "Literal" && typeof name.value === "string";
  if (!isName || !value) return init;
  const named =
    value.type === "ArrowFunctionExpression" ||
    value.type === "FunctionExpression" ||
    value.type === "ClassExpression";
  return named ? value : init;
}

/** Bare uses of the global object and changes below a global make that global one to watch. */
function collectGlobalUse(node: Identifier, use: Use, scopes: ScopeAnalysis, changed: Set<string>): void {
  if (node.name === defaultLocal) return;
  const isGlobalObject = node.name === "globalThis" || node.name === "self" || node.name === "global";
  if (use.kind === "assign") changed.add("globalThis");
  if (isGlobalObject && use.chain === 0 && !onlyLooks(node, scopes)) changed.add("globalThis");
  if (node.name === "eval" && use.kind === "call") changed.add("globalThis");
  if (use.kind !== "memberAssign") return;
  const path = targetPath(node, isGlobalObject, scopes);
  changed.add(path);
}

/** `typeof globalThis`, `"x" in globalThis` and `Object.keys(globalThis)` cannot lead to a change. */
function onlyLooks(node: Identifier, scopes: ScopeAnalysis): boolean {
  const parent = scopes.parents.get(node);
  if (parent?.type === "UnaryExpression" || parent?.type === "BinaryExpression") return true;
  if (parent?.type !== "CallExpression" || parent.callee.type !== "MemberExpression") return false;
  const { callee } = parent;
  const holder = callee.object.type === "Identifier" ? callee.object.name : "";
  return (holder === "Object" || holder === "Reflect") && !isObjectMutator(callee);
}

/** The object whose property is changed: `Array.prototype.x = 1` gives "Array.prototype". */
function targetPath(node: Identifier, isGlobalObject: boolean, scopes: ScopeAnalysis): string {
  const names: string[] = [];
  let at: AnyNode = node;
  for (;;) {
    const parent = scopes.parents.get(at);
    if (parent?.type !== "MemberExpression" || parent.object !== at) break;
    names.push(memberName(parent) ?? "");
    at = parent;
  }
  const parent = scopes.parents.get(at);
  const isArgument = parent?.type === "CallExpression" && parent.callee !== at;
  const holders = isArgument ? names : names.slice(0, -1);
  const path = isGlobalObject ? holders : [node.name, ...holders];
  return path.length === 0 || path.includes("") ? "globalThis" : path.join(".");
}
