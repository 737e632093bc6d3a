import { storeContract } from "../../lenslet/src/store/storeContract.ts";
import { openSqliteStore } from "../../lenslet/src/store/sqliteStore.ts";
import { MemoryStore } from "./memoryStore.ts";

storeContract("memory, for tests of functions", false, () => ({
  open: () => new MemoryStore(() => openSqliteStore(":memory:")),
  remove: () => {},
}));
