/** What needs more than one thread or process. */
export { execArgvFor } from '../base/script-thread';
export type { BoundedWaitOptions } from './shared/bounded-wait';
export type { SharedHandle } from './shared/handle';
export { Leadership } from './shared/leadership';
export type { ReadySlot, ReadySlots } from './shared/ready-slots';
export { SharedQueue, type SharedQueueOptions } from './shared/shared-queue';
export { SharedSet, type SharedSetStats } from './shared/shared-set';
export type {
  AddOptions,
  OpenSharedSetOptions,
  SharedSetOptions,
} from './shared/shared-set-options';
