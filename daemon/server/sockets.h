/* The sockets that are served, and the doors where they are. */
#pragma once

enum server_socket { SERVER_BROKER, SERVER_METRICS, SERVER_SOCKET_COUNT };
/* Where it listens. What arrives at root's own door is served as at the broker's; but nobody else can fill
 * the line before it, which the kernel keeps without asking who stands there. */
enum server_door { SERVER_DOOR_BROKER, SERVER_DOOR_ROOT, SERVER_DOOR_METRICS, SERVER_DOOR_COUNT };
