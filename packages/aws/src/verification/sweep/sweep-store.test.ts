import { emptySweeps, inMemorySweepStore } from "./sweep-store.test-support.ts";
import { describeSweepStore } from "./sweep-store-promises.test-support.ts";

describeSweepStore("the store that other tests have in memory", async () => inMemorySweepStore(emptySweeps()));
