import type { IndexKey } from "../values/key.ts";

interface Node<T> {
  readonly lower: IndexKey;
  readonly upper: IndexKey | null;
  readonly tokens: Set<T>;
  left: Node<T> | null;
  right: Node<T> | null;
  height: number;
  /** Greatest `upper` in the subtree; null is the end of the index and greater than any key. */
  maxUpper: IndexKey | null;
}

/**
 * Half-open intervals of keys with the tokens that hold them. An AVL tree ordered by (lower, upper), one node for each
 * distinct interval however many tokens share it, augmented with the greatest upper bound below each node.
 * Adding and removing take O(log n); finding all intervals around a key visits no subtree that ends before it.
 */
export class IntervalTree<T> {
  #root: Node<T> | null = null;

  isEmpty(): boolean {
    return this.#root === null;
  }

  /** The height of the tree, for tests of its balance. */
  height(): number {
    return heightOf(this.#root);
  }

  add(lower: IndexKey, upper: IndexKey | null, token: T): void {
    this.#root = insert(this.#root, lower, upper, token);
  }

  /** Removing what is not there changes nothing. */
  remove(lower: IndexKey, upper: IndexKey | null, token: T): void {
    this.#root = remove(this.#root, lower, upper, token);
  }

  /** Adds the tokens of every interval that contains `key` to `found`. */
  stab(key: IndexKey, found: Set<T>): void {
    let node = this.#root;
    // The right spine is followed in the loop, the left subtrees recursively: the depth is that of a balanced tree.
    while (node !== null && isAfter(node.maxUpper, key)) {
      stabSubtree(node.left, key, found);
      if (node.lower > key) return;
      if (isAfter(node.upper, key)) for (const token of node.tokens) found.add(token);
      node = node.right;
    }
  }
}

function stabSubtree<T>(node: Node<T> | null, key: IndexKey, found: Set<T>): void {
  if (node === null || !isAfter(node.maxUpper, key)) return;
  stabSubtree(node.left, key, found);
  if (node.lower > key) return;
  if (isAfter(node.upper, key)) for (const token of node.tokens) found.add(token);
  stabSubtree(node.right, key, found);
}

function isAfter(upper: IndexKey | null, key: IndexKey): boolean {
  return upper === null || upper > key;
}

function compareUpper(a: IndexKey | null, b: IndexKey | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -1 : 1;
}

/** Where (lower, upper) lies relative to a node. */
function compare<T>(lower: IndexKey, upper: IndexKey | null, node: Node<T>): number {
  if (lower !== node.lower) return lower < node.lower ? -1 : 1;
  return compareUpper(upper, node.upper);
}

function heightOf<T>(node: Node<T> | null): number {
  return node === null ? 0 : node.height;
}

function insert<T>(node: Node<T> | null, lower: IndexKey, upper: IndexKey | null, token: T): Node<T> {
  if (node === null) {
    return { lower, upper, tokens: new Set([token]), left: null, right: null, height: 1, maxUpper: upper };
  }
  const order = compare(lower, upper, node);
  if (order === 0) {
    node.tokens.add(token);
    return node;
  }
  if (order < 0) node.left = insert(node.left, lower, upper, token);
  else node.right = insert(node.right, lower, upper, token);
  return rebalance(node);
}

function remove<T>(node: Node<T> | null, lower: IndexKey, upper: IndexKey | null, token: T): Node<T> | null {
  if (node === null) return null;
  const order = compare(lower, upper, node);
  if (order < 0) node.left = remove(node.left, lower, upper, token);
  else if (order > 0) node.right = remove(node.right, lower, upper, token);
  else {
    node.tokens.delete(token);
    if (node.tokens.size > 0) return node;
    return join(node.left, node.right);
  }
  return rebalance(node);
}

/** One tree of two whose heights differ by at most one, everything in `left` being before `right`. */
function join<T>(left: Node<T> | null, right: Node<T> | null): Node<T> | null {
  if (left === null) return right;
  if (right === null) return left;
  let first = right;
  while (first.left !== null) first = first.left;
  first.right = withoutFirst(right);
  first.left = left;
  return rebalance(first);
}

function withoutFirst<T>(node: Node<T>): Node<T> | null {
  if (node.left === null) return node.right;
  node.left = withoutFirst(node.left);
  return rebalance(node);
}

/** Restores height, maxUpper and balance of a node whose subtrees are in order. Returns the new root of the subtree. */
function rebalance<T>(node: Node<T>): Node<T> {
  const balance = heightOf(node.left) - heightOf(node.right);
  if (balance > 1) {
    const left = node.left as Node<T>;
    if (heightOf(left.left) < heightOf(left.right)) node.left = rotateLeft(left);
    return rotateRight(node);
  }
  if (balance < -1) {
    const right = node.right as Node<T>;
    if (heightOf(right.right) < heightOf(right.left)) node.right = rotateRight(right);
    return rotateLeft(node);
  }
  update(node);
  return node;
}

function rotateRight<T>(node: Node<T>): Node<T> {
  const root = node.left as Node<T>;
  node.left = root.right;
  root.right = node;
  update(node);
  update(root);
  return root;
}

function rotateLeft<T>(node: Node<T>): Node<T> {
  const root = node.right as Node<T>;
  node.right = root.left;
  root.left = node;
  update(node);
  update(root);
  return root;
}

function update<T>(node: Node<T>): void {
  const { left, right } = node;
  node.height = 1 + Math.max(heightOf(left), heightOf(right));
  let max = node.upper;
  if (left !== null && compareUpper(left.maxUpper, max) > 0) max = left.maxUpper;
  if (right !== null && compareUpper(right.maxUpper, max) > 0) max = right.maxUpper;
  node.maxUpper = max;
}
