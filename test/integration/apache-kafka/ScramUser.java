import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;

/** Arguments: address, user, and the new password; without a password the user is removed. */
public class ScramUser {
  public static void main(String[] args) throws Exception {
    ScramMechanism mechanism = ScramMechanism.SCRAM_SHA_512;
    UserScramCredentialAlteration change =
        args.length == 2
            ? new UserScramCredentialDeletion(args[1], mechanism)
            : new UserScramCredentialUpsertion(args[1], new ScramCredentialInfo(mechanism, 4096), args[2]);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      admin.alterUserScramCredentials(List.of(change)).all().get();
    }
  }
}
