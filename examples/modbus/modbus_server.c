/* SPDX-License-Identifier: MIT */
/*
 * A connection is three blocking steps in a loop: receive a request, answer it, send the response. Requests
 * that a client sends without waiting lie in the socket until their turn comes, so they are answered in
 * order.
 *
 * What can be wrong with a request, and what it gets:
 *
 *     the header is none (protocol id, length)        close: where the next frame begins is not known
 *     it does not come whole in request_ms            close
 *     no such unit                                    exception 0B
 *     no such function                                exception 01
 *     counts over the limits, a length that does not
 *     fit the function, a byte count that lies        exception 03
 *     entries behind the end of a table               exception 02
 */
#include "modbus/modbus_server.h"

#include "modbus/deadline.h"

#include <stdlib.h>

typedef struct connection {
    const modbus_server_t *server;
    ptk_sock_t *sock;
} connection_t;

/* Receive one frame. Its first byte may take as long as the connection may be idle, the rest request_ms. */
static ptk_err receive_request(const connection_t *connection, uint8_t *frame, modbus_header_t *header_out) {
    const modbus_server_t *server = connection->server;
    size_t have = 0;
    ptk_err err = ptk_sock_recv_some(connection->sock, frame, MODBUS_HEADER_BYTES, &have, server->idle_ms);
    uint64_t deadline_ns = deadline_after_ms(server->request_ms);
    if (!err && have < MODBUS_HEADER_BYTES) {
        err = ptk_sock_recv(connection->sock, frame + have, MODBUS_HEADER_BYTES - have,
                            deadline_left_ms(deadline_ns));
    }
    if (err) {
        return err;
    }
    if (!modbus_header_decode(frame, header_out)) {
        return PTK_ERR_NETWORK;
    }
    return ptk_sock_recv(connection->sock, frame + MODBUS_HEADER_BYTES, header_out->pdu_bytes,
                         deadline_left_ms(deadline_ns));
}

/* Carry the request out and write the response's PDU; its length. */
static size_t answer(modbus_store_t *store, const modbus_header_t *header, const uint8_t *request_pdu,
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

static ptk_err respond(const connection_t *connection, modbus_header_t header, const uint8_t *request) {
    uint8_t response[MODBUS_FRAME_MAX];
    size_t pdu_bytes = answer(connection->server->store, &header, request + MODBUS_HEADER_BYTES,
                              response + MODBUS_HEADER_BYTES);
    header.pdu_bytes = (uint16_t) pdu_bytes; /* the rest of the header goes back as it came */
    modbus_header_encode(&header, response);
    return ptk_sock_send(connection->sock, response, MODBUS_HEADER_BYTES + pdu_bytes,
                         connection->server->request_ms);
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
    return PTK_OK; /* however a connection ends, it is no failure of the server */
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
        if (start_connection(server, sock)) {
            ptk_sock_reset(sock); /* no memory for it: the others go on */
        }
    }
    ptk_err err = ptk_get_err();
    ptk_sock_close(server->listener);
    return err;
}
