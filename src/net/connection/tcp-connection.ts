/** The name of {@link StreamConnection} from before there were unix sockets. */
import { StreamConnection } from './connection';

/** See {@link StreamConnection}. */
export const TcpConnection = StreamConnection;
/** See {@link StreamConnection}. */
export type TcpConnection = StreamConnection;
