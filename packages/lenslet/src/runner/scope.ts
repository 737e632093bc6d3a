import type { AnyNode, Identifier, Program } from "acorn";
import { childrenOf, isFunctionNode } from "./moduleSyntax.ts";

/**
 * Which declaration each identifier of a module means. Depth counts the functions around a place that do not run
 * while the module is evaluated: 0 is the module's top level, immediately invoked functions at the top level, and
 * the bodies of esbuild's run-once module wrappers (`lazyWrappers`).
 */
export interface Binding {
  readonly name: string;
  readonly kind: "import" | "variable" | "constant" | "function" | "class" | "parameter";
  readonly depth: number;
  /** The innermost function around the declaration, null at the top level. */
  readonly owner: AnyNode | null;
  /** Initialiser, function or class; null when unknown. */
  readonly init: AnyNode | null;
  readonly isModuleScope: boolean;
}

export interface Reference {
  readonly node: Identifier;
  /** null: a global. */
  readonly binding: Binding | null;
  readonly depth: number;
  /** Somewhere inside a function, also one that runs while the module is evaluated. */
  readonly inFunction: boolean;
}

/** `this` inside a class or object literal. */
export interface ThisUse {
  readonly node: AnyNode;
  readonly holder: AnyNode;
  readonly inConstructor: boolean;
}

export interface ScopeAnalysis {
  readonly bindings: readonly Binding[];
  readonly references: readonly Reference[];
  readonly thisUses: readonly ThisUse[];
  readonly parents: ReadonlyMap<AnyNode, AnyNode>;
}

interface Scope {
  readonly parent: Scope | null;
  readonly names: Map<string, Binding>;
  readonly isFunction: boolean;
  readonly depth: number;
  readonly owner: AnyNode | null;
  readonly thisOf: { readonly holder: AnyNode; readonly inConstructor: boolean } | null;
}

export function analyseScopes(program: Program, lazyWrappers: ReadonlySet<string>): ScopeAnalysis {
  const walker = new Walker(lazyWrappers);
  const scope: Scope = {
    parent: null,
    names: new Map(),
    isFunction: true,
    depth: 0,
    owner: null,
    thisOf: null,
  };
  for (const statement of program.body) walker.visit(statement, program, scope);
  return walker.finish();
}

class Walker {
  readonly #lazyWrappers: ReadonlySet<string>;
  readonly #bindings: Binding[] = [];
  readonly #pending: { node: Identifier; scope: Scope }[] = [];
  readonly #thisUses: ThisUse[] = [];
  readonly #parents = new Map<AnyNode, AnyNode>();

  constructor(lazyWrappers: ReadonlySet<string>) {
    this.#lazyWrappers = lazyWrappers;
  }

  finish(): ScopeAnalysis {
    const references = this.#pending.map(({ node, scope }): Reference => {
      let at: Scope | null = scope;
      while (at !== null && !at.names.has(node.name)) at = at.parent;
      const binding = at?.names.get(node.name) ?? null;
      return { node, binding, depth: scope.depth, inFunction: scope.owner !== null };
    });
    return { bindings: this.#bindings, references, thisUses: this.#thisUses, parents: this.#parents };
  }

  visit(node: AnyNode, parent: AnyNode, scope: Scope): void {
    this.#parents.set(node, parent);
    switch (node.type) {
      case "Identifier":
        this.#pending.push({ node, scope });
        return;
      case "ThisExpression":
        if (scope.thisOf) this.#thisUses.push({ node, ...scope.thisOf });
        return;
      case "ImportDeclaration":
        for (const item of node.specifiers) this.#declare(scope, item.local.name, "import", null);
        return;
      case "ExportNamedDeclaration":
        if (node.declaration) this.visit(node.declaration, node, scope);
        return;
      case "ExportAllDeclaration":
      case "MetaProperty":
      case "BreakStatement":
      case "ContinueStatement":
        return;
      case "ExportDefaultDeclaration":
        this.visit(node.declaration, node, scope);
        return;
      case "LabeledStatement":
        this.visit(node.body, node, scope);
        return;
      case "VariableDeclaration":
        return this.#variables(node, scope);
      case "MemberExpression":
        this.visit(node.object, node, scope);
        if (node.computed) this.visit(node.property, node, scope);
        return;
      case "Property":
        if (node.computed) this.visit(node.key, node, scope);
        if (parent.type === "ObjectExpression" && node.value.type === "FunctionExpression") {
          this.#parents.set(node.value, node);
          this.#functionNode(node.value, scope, false, { holder: parent, inConstructor: false });
        } else {
          this.visit(node.value, node, scope);
        }
        return;
      case "MethodDefinition":
      case "PropertyDefinition":
        return this.#member(node, scope);
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return this.#functionNode(node, scope, false);
      case "ClassDeclaration":
      case "ClassExpression":
        return this.#classNode(node, scope);
      case "CatchClause": {
        const inner = block(scope);
        if (node.param) this.#pattern(node.param, node, inner, scope, "parameter", null);
        this.visit(node.body, node, inner);
        return;
      }
      case "BlockStatement":
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "SwitchStatement":
        this.#children(node, block(scope));
        return;
      case "StaticBlock": {
        const holder = this.#parents.get(parent) ?? parent;
        this.#children(node, { ...block(scope), thisOf: { holder, inConstructor: true } });
        return;
      }
      case "CallExpression":
        return this.#call(node, scope);
      default:
        this.#children(node, scope);
    }
  }

  #children(node: AnyNode, scope: Scope): void {
    for (const child of childrenOf(node)) this.visit(child, node, scope);
  }

  #declare(scope: Scope, name: string, kind: Binding["kind"], init: AnyNode | null): void {
    if (scope.names.has(name) && init === null) return;
    const isModuleScope = scope.parent === null;
    const binding: Binding = { name, kind, depth: scope.depth, owner: scope.owner, init, isModuleScope };
    scope.names.set(name, binding);
    this.#bindings.push(binding);
  }

  #variables(node: AnyNode & { type: "VariableDeclaration" }, scope: Scope): void {
    let target = scope;
    if (node.kind === "var") while (!target.isFunction && target.parent) target = target.parent;
    for (const declarator of node.declarations) {
      this.#parents.set(declarator, node);
      const kind = node.kind === "var" || node.kind === "let" ? "variable" : "constant";
      const init = declarator.id.type === "Identifier" ? (declarator.init ?? null) : null;
      this.#pattern(declarator.id, declarator, target, scope, kind, init);
      if (declarator.init) this.visit(declarator.init, declarator, scope);
    }
  }

  /** Declares the names of a pattern and visits its default values and computed keys. */
  #pattern(
    pattern: AnyNode,
    parent: AnyNode,
    target: Scope,
    scope: Scope,
    kind: Binding["kind"],
    init: AnyNode | null,
  ): void {
    this.#parents.set(pattern, parent);
    switch (pattern.type) {
      case "Identifier":
        this.#declare(target, pattern.name, kind, init);
        return;
      case "AssignmentPattern":
        this.#pattern(pattern.left, pattern, target, scope, kind, null);
        this.visit(pattern.right, pattern, scope);
        return;
      case "ObjectPattern":
        for (const property of pattern.properties) {
          this.#parents.set(property, pattern);
          if (property.type === "Property") {
            if (property.computed) this.visit(property.key, property, scope);
            this.#pattern(property.value, property, target, scope, kind, null);
          } else {
            this.#pattern(property.argument, property, target, scope, kind, null);
          }
        }
        return;
      case "ArrayPattern":
        for (const element of pattern.elements) {
          if (element !== null) this.#pattern(element, pattern, target, scope, kind, null);
        }
        return;
      case "RestElement":
        this.#pattern(pattern.argument, pattern, target, scope, kind, null);
        return;
      default:
        this.visit(pattern, parent, scope);
    }
  }

  /** `runsNow`: the function is called right where it stands while the module is evaluated. */
  #functionNode(
    node: AnyNode & { type: "FunctionDeclaration" | "FunctionExpression" | "ArrowFunctionExpression" },
    scope: Scope,
    runsNow: boolean,
    thisOf: Scope["thisOf"] = null,
  ): void {
    if (node.type === "FunctionDeclaration" && node.id) {
      this.#parents.set(node.id, node);
      this.#declare(scope, node.id.name, "function", node);
    }
    const isArrow = node.type === "ArrowFunctionExpression";
    const inner: Scope = {
      parent: scope,
      names: new Map(),
      isFunction: true,
      depth: runsNow ? scope.depth : scope.depth + 1,
      owner: node,
      // An arrow inside a constructor runs later: what it does to `this` is a change.
      thisOf: isArrow && scope.thisOf ? { ...scope.thisOf, inConstructor: false } : isArrow ? null : thisOf,
    };
    if (node.type === "FunctionExpression" && node.id) this.#declare(inner, node.id.name, "function", node);
    for (const parameter of node.params) this.#pattern(parameter, node, inner, inner, "parameter", null);
    if (node.body.type === "BlockStatement") {
      this.#parents.set(node.body, node);
      this.#children(node.body, inner);
    } else {
      this.visit(node.body, node, inner);
    }
  }

  #classNode(node: AnyNode & { type: "ClassDeclaration" | "ClassExpression" }, scope: Scope): void {
    if (node.type === "ClassDeclaration" && node.id) this.#declare(scope, node.id.name, "class", node);
    const inner = block(scope);
    if (node.type === "ClassExpression" && node.id) this.#declare(inner, node.id.name, "class", node);
    if (node.superClass) this.visit(node.superClass, node, inner);
    this.visit(node.body, node, inner);
  }

  #member(node: AnyNode & { type: "MethodDefinition" | "PropertyDefinition" }, scope: Scope): void {
    if (node.computed) this.visit(node.key, node, scope);
    if (!node.value) return;
    const body = this.#parents.get(node);
    const holder = (body && this.#parents.get(body)) ?? node;
    if (node.type === "MethodDefinition") {
      this.#parents.set(node.value, node);
      this.#functionNode(node.value, scope, false, { holder, inConstructor: node.kind === "constructor" });
    } else {
      const depth = node.static ? scope.depth : scope.depth + 1;
      this.visit(node.value, node, { ...block(scope), depth, thisOf: { holder, inConstructor: true } });
    }
  }

  #call(node: AnyNode & { type: "CallExpression" }, scope: Scope): void {
    const { callee } = node;
    if (isFunctionNode(callee) && !callee.async && !callee.generator) {
      this.#parents.set(callee, node);
      this.#functionNode(callee, scope, true);
    } else {
      this.visit(callee, node, scope);
    }
    const runsOnce = scope.depth === 0 && callee.type === "Identifier" && this.#lazyWrappers.has(callee.name);
    for (const argument of node.arguments) {
      if (runsOnce && isFunctionNode(argument)) {
        this.#parents.set(argument, node);
        this.#functionNode(argument, scope, true);
      } else if (runsOnce && argument.type === "ObjectExpression") {
        this.#parents.set(argument, node);
        for (const property of argument.properties) {
          if (property.type === "Property" && isFunctionNode(property.value)) {
            this.#parents.set(property.value, property);
            this.#functionNode(property.value, scope, true);
          }
        }
      } else {
        this.visit(argument, node, scope);
      }
    }
  }
}

function block(scope: Scope): Scope {
  return { ...scope, parent: scope, names: new Map(), isFunction: false };
}

/**
 * Top-level names that wrap a module body to run it once: esbuild's `__commonJS` and `__esm`, recognised by their
 * shape because names are minified: `(body, state) => () => (... state = ... , state)`.
 */
export function findLazyWrappers(program: Program): Set<string> {
  const found = new Set<string>();
  for (const statement of program.body) {
    if (statement.type !== "VariableDeclaration") continue;
    for (const declarator of statement.declarations) {
      let { init } = declarator;
      // keepNames: name(fn, "original")
      if (init?.type === "CallExpression" && init.arguments[0]) init = init.arguments[0] as typeof init;
      if (declarator.id.type !== "Identifier" || !init || !isFunctionNode(init)) continue;
      const state = init.params[1];
      const inner = init.body;
      if (init.params.length !== 2 || state?.type !== "Identifier" || !isFunctionNode(inner)) continue;
      if (assigns(inner, state.name)) found.add(declarator.id.name);
    }
  }
  return found;
}

function assigns(node: AnyNode, name: string): boolean {
  if (node.type === "AssignmentExpression" && node.left.type === "Identifier" && node.left.name === name) {
    return true;
  }
  return childrenOf(node).some((child) => assigns(child, name));
}
