import { Admin } from '@platformatic/kafka';
import type { GroupAdmin } from '../dead-members.ts';
import { clientOptions, hasApiId, type PlatformaticOptions } from './client.ts';

const REQUEST_TIMEOUT_MS = 5_000;

/** For both clients: kafkajs can leave the group for itself only. */
export function openGroupAdmin(options: PlatformaticOptions): GroupAdmin {
  const { groupId } = options;
  const admin = new Admin(clientOptions(options, REQUEST_TIMEOUT_MS));
  return {
    async members() {
      const groups = await admin.describeGroups({ groups: [groupId] });
      return [...(groups.get(groupId)?.members.keys() ?? [])];
    },
    async leave(memberIds) {
      try {
        await admin.removeMembersFromConsumerGroup({ groupId, members: memberIds.map((memberId) => ({ memberId })) });
      } catch (error) {
        // Its session expired meanwhile.
        if (!hasApiId(error, 'UNKNOWN_MEMBER_ID')) throw error;
      }
    },
    close: () => admin.close().catch(() => undefined),
  };
}
