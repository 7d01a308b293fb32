/* SPDX-License-Identifier: MIT */
/*
 * A connection is three blocking steps in a loop: receive a request, carry it out, send the response.
 * Requests that a client sends without waiting stay in the socket, so the server responds to them in order.
 *
 * What can be wrong with a request, and the server's reaction:
 *
 *     no valid header (protocol id, length)           close: the begin of the next frame is unknown
 *     it is not complete after request_ms             close
 *     no such unit                                    exception 0B
 *     no such function                                exception 01
 *     counts over the limits, a length that does not
 *     fit the function, a wrong byte count            exception 03
 *     entries behind the end of a table               exception 02
 */
#include "modbus/modbus_server.h"

#include "modbus/deadline.h"

#include <stdlib.h>

typedef struct connection {
    const modbus_server_t *server;
    ptk_sock_t *sock;
} connection_t;

/* Receives the rest of a request: the end of the stream is not expected there. */
static ptk_err receive_rest(ptk_sock_t *sock, uint8_t *bytes, size_t count, uint64_t deadline_ns) {
    ptk_err err = ptk_sock_recv(sock, bytes, count, deadline_left_ms(deadline_ns));
    return err == PTK_ERR_EOF ? PTK_ERR_UNEXPECTED_EOF : err;
}

/* Receives one frame. Its first byte may take as long as the connection may be idle, the rest request_ms. */
static ptk_err receive_request(const connection_t *connection, uint8_t *frame, modbus_header_t *header_out) {
    const modbus_server_t *server = connection->server;
    size_t have = 0;
    ptk_err err = ptk_sock_recv_some(connection->sock, frame, MODBUS_HEADER_BYTES, &have, server->idle_ms);
    uint64_t deadline_ns = deadline_after_ms(server->request_ms);
    if (!err && have < MODBUS_HEADER_BYTES) {
        err = receive_rest(connection->sock, frame + have, MODBUS_HEADER_BYTES - have, deadline_ns);
    }
    if (err) {
        return err;
    }
    if (!modbus_header_decode(frame, header_out)) {
        return PTK_ERR_NETWORK;
    }
    return receive_rest(connection->sock, frame + MODBUS_HEADER_BYTES, header_out->pdu_bytes, deadline_ns);
}

/* Carries the request out, writes the response's PDU and returns its length. */
static size_t carry_out(modbus_store_t *store, const modbus_header_t *header, const uint8_t *request_pdu,
                        uint8_t *pdu) {
    modbus_request_t request;
    modbus_exception_t exception = MODBUS_GATEWAY_TARGET_NO_RESPONSE;
    if (modbus_store_has_unit(store, header->unit)) {
        exception = modbus_request_decode(request_pdu, header->pdu_bytes, &request);
    }
    if (!exception) {
        exception = modbus_store_apply(store, header->unit, &request, pdu + MODBUS_RESPONSE_DATA);
    }
    return exception ? modbus_exception_encode(request_pdu[0], exception, pdu)
                     : modbus_response_encode(&request, request_pdu, pdu);
}

/* Carries a request out and sends the response. */
static ptk_err respond(const connection_t *connection, modbus_header_t header, const uint8_t *request) {
    uint8_t response[MODBUS_FRAME_MAX];
    size_t pdu_bytes = carry_out(connection->server->store, &header, request + MODBUS_HEADER_BYTES,
                                 response + MODBUS_HEADER_BYTES);
    header.pdu_bytes = (uint16_t) pdu_bytes; /* the response repeats the rest of the header */
    modbus_header_encode(&header, response);
    return ptk_sock_send(connection->sock, response, MODBUS_HEADER_BYTES + pdu_bytes,
                         connection->server->request_ms);
}

static void report_end(const modbus_server_t *server, const char *what, ptk_err err) {
    if (server->report_end) {
        server->report_end(what, err);
    }
}

static ptk_err serve(void *arg) {
    connection_t connection = *(connection_t *) arg;
    free(arg);
    uint8_t request[MODBUS_FRAME_MAX];
    modbus_header_t header;
    ptk_err err = PTK_OK;
    while (!err) {
        err = receive_request(&connection, request, &header);
        if (!err) {
            err = respond(&connection, header, request);
        }
    }
    ptk_sock_close(connection.sock);
    report_end(connection.server, "connection", err);
    return PTK_OK; /* the end of a connection is no failure of the server */
}

static ptk_err start_connection(const modbus_server_t *server, ptk_sock_t *sock) {
    connection_t *connection = malloc(sizeof *connection);
    if (!connection) {
        return PTK_ERR_NO_RESOURCES;
    }
    *connection = (connection_t) {server, sock};
    ptk_err err = ptk_go(NULL, serve, connection);
    if (err) {
        free(connection);
    }
    return err;
}

ptk_err modbus_server_run(void *arg) {
    const modbus_server_t *server = arg;
    ptk_sock_t *sock;
    while ((sock = ptk_sock_accept(server->listener, NULL, NULL, PTK_TIMEOUT_INFINITE)) != NULL) {
        ptk_err err = start_connection(server, sock);
        if (err) {
            ptk_sock_reset(sock); /* no memory for this connection; the others go on */
            report_end(server, "new connection", err);
        }
    }
    ptk_err err = ptk_get_err();
    ptk_sock_close(server->listener);
    return err;
}
