// SPDX-License-Identifier: Apache-2.0
//
// Two accounts and one transfer, with TigerBeetle's official Node client:
//   npm install --no-save tigerbeetle-node@0.17.9 && node first_transfer.mjs
import { AccountFlags, createClient, id } from 'tigerbeetle-node';

const client = createClient({ cluster_id: 0n, replica_addresses: [process.env.PORT ?? '3000'] });
const empty = {
  debits_pending: 0n, debits_posted: 0n, credits_pending: 0n, credits_posted: 0n,
  user_data_128: 0n, user_data_64: 0n, user_data_32: 0, reserved: 0, timestamp: 0n,
};
const [alice, bob] = [id(), id()];
console.log(await client.createAccounts([
  { ...empty, id: alice, ledger: 1, code: 1, flags: AccountFlags.none },
  { ...empty, id: bob, ledger: 1, code: 1, flags: AccountFlags.debits_must_not_exceed_credits },
]));
console.log(await client.createTransfers([{
  id: id(), debit_account_id: alice, credit_account_id: bob, amount: 100n, pending_id: 0n,
  user_data_128: 0n, user_data_64: 0n, user_data_32: 0, timeout: 0, ledger: 1, code: 1, flags: 0,
  timestamp: 0n,
}]));
for (const account of await client.lookupAccounts([alice, bob])) {
  console.log(account.id, 'debits', account.debits_posted, 'credits', account.credits_posted);
}
client.destroy();
